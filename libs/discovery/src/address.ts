import { isIPv6 } from "node:net";

/** A host and a port: what `HOST:PORT` says. */
export interface HostAndPort {
  /** A host name or an IP address, without brackets. */
  readonly host: string;
  /** 1 to 65,535. */
  readonly port: number;
}

/** Reads `HOST:PORT`, an IPv6 address in brackets. Undefined when the text is anything else. */
export function parseAddress(text: string): HostAndPort | undefined {
  const { bracketed, name, digits } =
    /^(?:\[(?<bracketed>[0-9A-Fa-f:.]+)\]|(?<name>[A-Za-z0-9_.-]{1,255})):(?<digits>\d{1,5})$/.exec(text)?.groups ?? {};
  const port = Number(digits);
  const host = bracketed !== undefined && isIPv6(bracketed) ? bracketed : name;
  return host !== undefined && port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

/** Writes `HOST:PORT`, an IPv6 address in brackets. */
export function formatAddress({ host, port }: HostAndPort): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}
