import { Resolver } from "node:dns/promises";
import { requireInteger } from "@shoal/kernel";
import { backoffMs } from "../../backoff.ts";
import { asError, registryUnavailable } from "../../errors.ts";
import { isServiceName } from "../../instance.ts";
import type { Registry, RegistryListener } from "../../registry.ts";
import { Watchers } from "../../watchers.ts";
import { readOnlyRegistry } from "../read-only-registry.ts";
import { type DnsTarget, nameFor } from "./dns-target.ts";
import { type Answer, lookUp } from "./look-up.ts";

/** What is looked up, and how often. */
export interface DnsRegistryOptions {
  /** The name of each service. A complete one: the system's search domains are not tried. */
  readonly target: DnsTarget;
  /** `IP:PORT` of the servers to ask; none: the system's. */
  readonly servers: readonly string[];
  /** The shortest pause between two look-ups of a name, however short its TTL, in milliseconds, 10 to 3,600,000. */
  readonly minIntervalMs: number;
  /** The longest, however long its TTL. From `minIntervalMs` to 3,600,000. */
  readonly maxIntervalMs: number;
  /** How long a server may take to answer, in milliseconds, 50 to 60,000. It is asked twice. */
  readonly timeoutMs: number;
}

/** All but the target: the system's servers, a look-up every 1 to 5 s, 2 s to answer. */
export const defaultDnsRegistryOptions: Omit<DnsRegistryOptions, "target"> = Object.freeze({
  servers: [],
  minIntervalMs: 1_000,
  maxIntervalMs: 5_000,
  timeoutMs: 2_000,
});

/**
 * A registry that is kept in DNS by somebody else, such as Kubernetes for a headless service: announcing is accepted and
 * changes nothing. A watched name is looked up again when its TTL has passed, within bounds, and up to a fifth later, so
 * that clients which began together do not ask together. Throws when an option cannot be used.
 */
export function createDnsRegistry(options: Partial<DnsRegistryOptions> & Pick<DnsRegistryOptions, "target">): Registry {
  const all = { ...defaultDnsRegistryOptions, ...options };
  requireInteger("minIntervalMs", all.minIntervalMs, 10, 3_600_000);
  requireInteger("maxIntervalMs", all.maxIntervalMs, all.minIntervalMs, 3_600_000);
  requireInteger("timeoutMs", all.timeoutMs, 50, 60_000);
  const resolver = new Resolver({ timeout: all.timeoutMs, tries: 2 });
  if (all.servers.length > 0) resolver.setServers(all.servers);
  const watchers = new Watchers((service, listener) => keepLooking(resolver, all, service, listener));
  return readOnlyRegistry(watchers, () => resolver.cancel());
}

/** Looks a service up until the answered function is called. */
function keepLooking(
  resolver: Resolver,
  options: DnsRegistryOptions,
  service: string,
  listener: RegistryListener,
): () => void {
  let ended = false;
  let timer: NodeJS.Timeout | undefined;
  /** Look-ups in a row that found nothing, or failed. */
  let inVain = 0;
  const look = async () => {
    let answer: Answer | undefined;
    try {
      answer = await lookUp(resolver, options.target, service);
    } catch (error) {
      if (!ended) listener.onError(unavailable(options.target, service, asError(error)));
    }
    if (ended) return;
    inVain = answer?.ttl === undefined ? inVain + 1 : 0;
    timer = setTimeout(look, pauseMs(answer?.ttl, inVain, options));
    if (answer !== undefined) listener.onInstances(answer.instances);
  };
  if (isServiceName(service)) void look();
  else listener.onInstances([]);
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}

/**
 * How long to wait for the next look-up, in milliseconds: as long as the answer is good for, and up to a fifth more; after
 * one in vain, for which no TTL is known, longer each time.
 */
export function pauseMs(
  ttl: number | undefined,
  inVain: number,
  { minIntervalMs, maxIntervalMs }: Pick<DnsRegistryOptions, "minIntervalMs" | "maxIntervalMs">,
  random: () => number = Math.random,
): number {
  if (ttl === undefined) return backoffMs(inVain, minIntervalMs, maxIntervalMs, random);
  return Math.min(maxIntervalMs, Math.max(minIntervalMs, ttl * 1_000)) * (1 + random() / 5);
}

function unavailable(target: DnsTarget, service: string, cause: Error): Error {
  return registryUnavailable(`dns://${nameFor(target.name, service)}`, cause.message, cause);
}
