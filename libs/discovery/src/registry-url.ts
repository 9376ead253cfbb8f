import { isIP } from "node:net";
import { formatAddress, type HostAndPort, parseAddress } from "./address.ts";
import { type DnsTarget, parseDnsTarget } from "./drivers/dns/dns-target.ts";
import { bareInstance, isServiceName } from "./instance.ts";
import type { Instance } from "./registry.ts";

/** Where a registry is, and which driver speaks with it. */
export type RegistryUrl =
  | { readonly driver: "static"; readonly instances: readonly Instance[] }
  | {
      readonly driver: "dns";
      readonly target: DnsTarget;
      /** `IP:PORT` of those to ask; none: the system's. */
      readonly servers: readonly string[];
    }
  | {
      readonly driver: "etcd";
      readonly endpoints: readonly HostAndPort[];
      /** Without slashes around it. */
      readonly prefix: string;
      /** Whether they are reached over TLS. */
      readonly tls: boolean;
    }
  | { readonly driver: "local"; readonly at: HostAndPort };

const forms = `expected one of
  static:order=127.0.0.1:50053,127.0.0.1:50054;user=127.0.0.1:50051
  dns://{service}.shoal.svc.cluster.local:50051
  dns://_grpc._tcp.{service}.shoal.svc.cluster.local[?server=IP:PORT,IP:PORT]
  etcd://HOST:PORT,HOST:PORT/PREFIX or, over TLS, etcds://
  local://HOST:PORT`;

/**
 * Reads a registry's URL; opens nothing. Throws an `Error` that says what is wrong, and which forms there are:
 *
 * - `static:SERVICE=HOST:PORT,HOST:PORT;SERVICE=HOST:PORT`
 * - `dns://NAME:PORT` for A and AAAA records, `dns://_PORTNAME._tcp.NAME` for SRV records; `{service}` stands for the
 *   service's name, and without it the name is each service's; `?server=IP:PORT,IP:PORT` names other servers to ask than
 *   the system's
 * - `etcd://HOST:PORT,HOST:PORT/PREFIX`, the prefix `shoal` unless given; `etcds://` over TLS
 * - `local://HOST:PORT`
 */
export function parseRegistryUrl(text: string): RegistryUrl {
  const { scheme, rest = "" } =
    /^(?<scheme>static:|dns:\/\/|etcds?:\/\/|local:\/\/)(?<rest>.*)$/.exec(text)?.groups ?? {};
  try {
    if (scheme === "static:") return { driver: "static", instances: rest.split(";").flatMap(parseService) };
    if (scheme === "dns://") return parseDns(rest);
    if (scheme === "etcd://" || scheme === "etcds://") return parseEtcd(rest, scheme === "etcds://");
    if (scheme === "local://") return { driver: "local", at: parseHostAndPort(rest) };
  } catch (error) {
    throw new Error(`${(error as Error).message}; ${forms}`);
  }
  throw new Error(`not the URL of a registry; ${forms}`);
}

function parseService(text: string): Instance[] {
  const [service = "", addresses, ...more] = text.split("=");
  if (addresses === undefined || more.length > 0) throw new Error(`"${text}" must be SERVICE=HOST:PORT,HOST:PORT`);
  if (!isServiceName(service)) throw new Error(`"${service}" is not a service's name: lower case, a letter first`);
  return addresses.split(",").map((each) => bareInstance(service, formatAddress(parseHostAndPort(each))));
}

function parseDns(text: string): RegistryUrl {
  const [name = "", option, ...more] = text.split("?");
  const { list } = /^server=(?<list>.*)$/.exec(option ?? "")?.groups ?? {};
  if ((option !== undefined && list === undefined) || more.length > 0)
    throw new Error(`a dns URL takes no option but server`);
  const servers = list === undefined ? [] : list.split(",");
  for (const server of servers)
    if (isIP(parseAddress(server)?.host ?? "") === 0) throw new Error(`"${server}" is not IP:PORT`);
  return { driver: "dns", target: parseDnsTarget(name), servers };
}

function parseEtcd(text: string, tls: boolean): RegistryUrl {
  const slash = text.indexOf("/");
  const [hosts, path] = slash === -1 ? [text, ""] : [text.slice(0, slash), text.slice(slash)];
  const prefix = path.replace(/^\/|\/$/g, "") || "shoal";
  if (!/^[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)*$/.test(prefix))
    throw new Error(`"${prefix}" cannot be a prefix: letters, digits, ".", "_", "-", with "/" between them`);
  return { driver: "etcd", endpoints: hosts.split(",").map(parseHostAndPort), prefix, tls };
}

function parseHostAndPort(text: string): HostAndPort {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`"${text}" is not HOST:PORT (an IPv6 address in brackets)`);
  return address;
}
