import { setTimeout as sleep } from "node:timers/promises";
import { requireInteger } from "@shoal/kernel";
import type { HostAndPort } from "../../address.ts";
import { asError, type ProblemListener, registryClosed, warnOfProblem } from "../../errors.ts";
import { instanceKey, isServiceName, readInstance } from "../../instance.ts";
import type { Instance, Registry, RegistryListener } from "../../registry.ts";
import { Watchers } from "../../watchers.ts";
import { Announcements } from "./announcements.ts";
import { EtcdGateway, type EtcdTls } from "./etcd-gateway.ts";
import { followPrefix } from "./follow-prefix.ts";

/** Where etcd is, and how it is used. */
export interface EtcdRegistryOptions {
  /** The members of the cluster, or some of them; at least one. */
  readonly endpoints: readonly HostAndPort[];
  /** What all keys begin with, without slashes around it: an instance is at `PREFIX/SERVICE/ID`. */
  readonly prefix: string;
  /** Undefined: plain HTTP. */
  readonly tls: EtcdTls | undefined;
  /** How long an instance stays announced after its process is gone, in milliseconds, 1,000 to 3,600,000. */
  readonly ttlMs: number;
  /** How long one member may take to answer, in milliseconds, 50 to 60,000. */
  readonly timeoutMs: number;
  /** How often a silent member is asked whether it is there, in milliseconds, 50 to 60,000. */
  readonly probeMs: number;
  /** The longest wait between two attempts to follow a cluster that is away, in milliseconds, 50 to 60,000. */
  readonly maxBackoffMs: number;
  /**
   * Told of what no caller waits for: announcements that cannot be kept up (once for each outage), and an entry that is no
   * instance, which is skipped (once for each value).
   */
  readonly onProblem: ProblemListener;
}

/** All but the endpoints: keys under `shoal`, plain HTTP, 10 s to live, 2 s to answer, asked every 3 s, at most 3 s between attempts. */
export const defaultEtcdRegistryOptions: Omit<EtcdRegistryOptions, "endpoints"> = Object.freeze({
  prefix: "shoal",
  tls: undefined,
  ttlMs: 10_000,
  timeoutMs: 2_000,
  probeMs: 3_000,
  maxBackoffMs: 3_000,
  onProblem: warnOfProblem,
});

/**
 * A registry that is kept in etcd (3.4 or later). An instance is announced under a lease, as JSON, and lives no longer than
 * `ttlMs` after its process. Connects to nothing before it is needed. Throws when an option cannot be used.
 */
export function createEtcdRegistry(
  options: Partial<EtcdRegistryOptions> & Pick<EtcdRegistryOptions, "endpoints">,
): Registry {
  const { endpoints, prefix, tls, ttlMs, timeoutMs, probeMs, maxBackoffMs, onProblem } = {
    ...defaultEtcdRegistryOptions,
    ...options,
  };
  requireInteger("endpoints.length", endpoints.length, 1);
  requireInteger("ttlMs", ttlMs, 1_000, 3_600_000);
  for (const [name, value] of Object.entries({ timeoutMs, probeMs, maxBackoffMs }))
    requireInteger(name, value, 50, 60_000);

  const gateway = new EtcdGateway(endpoints, timeoutMs, tls);
  const announcements = new Announcements(gateway, ttlMs, onProblem);
  const keyOf = (instance: Instance) => `${prefix}/${instanceKey(instance)}`;
  const watchers = new Watchers((service, listener) => {
    if (!isServiceName(service)) {
      listener.onInstances([]);
      return () => {};
    }
    const ended = new AbortController();
    const reader = new EntryReader(`${prefix}/${service}/`, service, onProblem);
    const entriesListener = {
      onEntries: (entries: ReadonlyMap<string, string>) => listener.onInstances(reader.read(entries)),
      onError: (error: Error) => listener.onError(error),
    };
    void followPrefix(gateway, reader.prefix, entriesListener, ended.signal, { probeMs, maxBackoffMs });
    return () => ended.abort();
  });
  let closing: Promise<void> | undefined;
  return {
    async register(instance) {
      if (closing !== undefined) throw registryClosed();
      const read = readInstance(instance);
      await announcements.put(keyOf(read), JSON.stringify(read));
    },
    async deregister(instance) {
      if (closing !== undefined) return;
      const gone = announcements.delete(keyOf(instance)).catch(() => {});
      // When etcd is away the entry is deleted once it is back, or expires. Members that hang one after the other, behind a
      // comparison that hangs already, would take the time of an orderly stop.
      const waited = new AbortController();
      const enough = sleep(timeoutMs, undefined, { signal: waited.signal }).catch(() => {});
      await Promise.race([gone, enough]);
      waited.abort();
    },
    watch: (service: string, listener: RegistryListener) => watchers.watch(service, listener),
    close() {
      watchers.close();
      closing ??= announcements.close();
      return closing;
    },
  };
}

/** Makes instances of the entries of one service. */
class EntryReader {
  readonly prefix: string;
  readonly #service: string;
  readonly #onProblem: ProblemListener;
  /** What could not be read, and has been told: value by key. */
  #bad = new Map<string, string>();

  constructor(prefix: string, service: string, onProblem: ProblemListener) {
    this.prefix = prefix;
    this.#service = service;
    this.#onProblem = onProblem;
  }

  /** All that can be read; tells of each other once. */
  read(entries: ReadonlyMap<string, string>): readonly Instance[] {
    const instances: Instance[] = [];
    const bad = new Map<string, string>();
    for (const [key, value] of entries) {
      try {
        const instance = readInstance(JSON.parse(value));
        if (instance.service !== this.#service || key !== `${this.prefix}${instance.id}`)
          throw new Error("its service and id are not those of its key");
        instances.push(instance);
      } catch (error) {
        bad.set(key, value);
        if (this.#bad.get(key) !== value)
          this.#onProblem(
            new Error(`the entry ${key} in etcd is no instance and is skipped: ${asError(error).message}`),
          );
      }
    }
    this.#bad = bad;
    return instances;
  }
}
