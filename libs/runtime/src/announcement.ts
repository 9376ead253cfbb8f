import { createSocket } from "node:dgram";
import { once } from "node:events";
import { isIP } from "node:net";
import { formatAddress, type Instance, parseAddress, parseRegistryUrl } from "@shoal/discovery";
import { newId } from "@shoal/kernel";
import type { ServiceSettings } from "./service-settings.ts";

/** What an instance says of where others reach it: `auto`, or a host and perhaps a port. Throws an `Error` for anything else. */
export function parseAdvertised(value: string): { readonly host: string; readonly port?: number } {
  if (value === "auto") return { host: value };
  const host = value.replace(/^\[(.*)\]$/, "$1");
  if (isIP(host) !== 0 || /^[A-Za-z0-9_.-]+$/.test(host)) return { host };
  const address = parseAddress(value);
  if (address === undefined) throw new Error("must be auto, HOST or HOST:PORT (an IPv6 address in brackets)");
  return address;
}

/**
 * The instance that a process announces once it takes calls on `grpcPort`; `undefined` where there is no registry, or one
 * that nothing is announced in. Rejects when it cannot find out where others reach it, and says what to set.
 */
export async function announcementOf(
  service: string,
  settings: ServiceSettings,
  grpcPort: number,
): Promise<Instance | undefined> {
  const { registry, advertise, zone, version, weight } = settings;
  const url = registry === "none" ? undefined : parseRegistryUrl(registry);
  if (url?.driver !== "etcd" && url?.driver !== "local") return undefined;
  const { host, port = grpcPort } = parseAdvertised(advertise);
  const [at] = url.driver === "etcd" ? url.endpoints : [url.at];
  const seen = host === "auto" ? await reachableHost(settings.host, at) : host;
  const address = formatAddress({ host: seen, port });
  return { service, id: newId(), address, zone, version, weight, startedAt: Date.now() };

  async function reachableHost(listening: string, registryAt: typeof at): Promise<string> {
    if (listening !== "0.0.0.0" && listening !== "::") return listening;
    if (registryAt === undefined) return listening;
    try {
      return await localAddressTowards(registryAt.host, registryAt.port);
    } catch (error) {
      const variable = `SHOAL_${service.toUpperCase()}_ADVERTISE`;
      throw new Error(`cannot tell where others reach this instance: ${error}; set ${variable} to HOST or HOST:PORT`, {
        cause: error,
      });
    }
  }
}

/** This machine's address on the way to another. A UDP socket that is connected knows it; nothing is sent. */
async function localAddressTowards(host: string, port: number): Promise<string> {
  const socket = createSocket(isIP(host) === 6 ? "udp6" : "udp4");
  try {
    socket.connect(port, host);
    await once(socket, "connect");
    return socket.address().address;
  } finally {
    socket.close();
  }
}
