import { isIP } from "node:net";
import { parseAddress } from "@shoal/discovery";

/** What an instance says of where others reach it: `auto`, or a host and perhaps a port. Throws an `Error` for anything else. */
export function parseAdvertised(value: string): { readonly host: string; readonly port?: number } {
  if (value === "auto") return { host: value };
  const host = value.replace(/^\[(.*)\]$/, "$1");
  if (isIP(host) !== 0 || /^[A-Za-z0-9_.-]+$/.test(host)) return { host };
  const address = parseAddress(value);
  if (address === undefined) throw new Error("must be auto, HOST or HOST:PORT (an IPv6 address in brackets)");
  return address;
}
