import { createSocket } from "node:dgram";
import { once } from "node:events";
import { isIP } from "node:net";
import { formatAddress, type Instance, parseRegistryUrl, type Registry } from "@shoal/discovery";
import { newId } from "@shoal/kernel";
import type { Logger } from "@shoal/telemetry";
import { parseAdvertised } from "./advertised.ts";
import type { ServiceSettings } from "./service-settings.ts";

/**
 * The instance that a process announces once it takes calls on `grpcPort`; `undefined` where there is no registry, or one
 * that nothing is announced in. Rejects when it cannot find out now where others reach it, and says what to set.
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

/** How long to wait before it is tried again to find out where others reach this instance, in milliseconds. */
const retryMs = 1_000;

/**
 * Announces an instance, and takes that back. A registry that is away, or cannot be found yet, is no reason not to serve:
 * it is tried again until it works. States: new → announcing → ended.
 */
export class Announcement {
  readonly #registry: Registry;
  readonly #describe: () => Promise<Instance | undefined>;
  readonly #log: Logger;
  #instance: Instance | undefined;
  #retry: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(registry: Registry, describe: () => Promise<Instance | undefined>, log: Logger) {
    this.#registry = registry;
    this.#describe = describe;
    this.#log = log;
  }

  /** Resolves when it is announced, or cannot be now. */
  async begin(): Promise<void> {
    try {
      this.#instance ??= await this.#describe();
      if (this.#instance === undefined || this.#ended) return;
    } catch (err) {
      this.#log.warn({ err }, "this instance cannot be announced; it is tried again");
      if (!this.#ended) this.#retry = setTimeout(() => void this.begin(), retryMs);
      return;
    }
    const instance = this.#instance;
    try {
      await this.#registry.register(instance);
      this.#log.info({ instance }, "announced");
    } catch (err) {
      this.#log.warn({ err, instance }, "the registry cannot be reached; it is tried again");
    }
  }

  /** Resolves when it is announced no more. */
  async end(): Promise<void> {
    this.#ended = true;
    clearTimeout(this.#retry);
    if (this.#instance !== undefined) await this.#registry.deregister(this.#instance);
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
