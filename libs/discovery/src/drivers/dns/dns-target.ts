import { parseAddress } from "../../address.ts";

/** What is looked up for a service: `{service}` in the name stands for the service's. */
export type DnsTarget =
  | { readonly records: "address"; readonly name: string; readonly port: number }
  | { readonly records: "srv"; readonly name: string };

/**
 * Reads `NAME:PORT` (A and AAAA records) or `_PORTNAME._tcp.NAME` (SRV records, which know the port).
 * Throws an `Error` that says what is wrong.
 */
export function parseDnsTarget(text: string): DnsTarget {
  // As in a real name, so that the rest can be checked like one.
  const sample = nameFor(text, "service");
  if (/^_[a-z0-9-]+\._(?:tcp|udp)\.[A-Za-z0-9_.-]+$/i.test(sample)) return { records: "srv", name: text };
  const address = parseAddress(sample);
  if (address === undefined || address.host.includes(":"))
    throw new Error(`"${text}" is neither NAME:PORT nor _PORTNAME._tcp.NAME`);
  return { records: "address", name: text.slice(0, text.lastIndexOf(":")), port: address.port };
}

/** The name to look up for a service. */
export function nameFor(name: string, service: string): string {
  return name.replaceAll("{service}", service);
}
