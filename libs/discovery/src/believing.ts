import { requireInteger, systemTimers, type Timers } from "@shoal/kernel";
import { Caution } from "./caution.ts";
import type { Registry, RegistryListener } from "./registry.ts";
import { Watchers } from "./watchers.ts";

/** How cautious {@link believing} is. */
export interface BelievingOptions {
  /** How long those who left are told on when too many leave, in milliseconds, from 0 (believe all) to 3,600,000. */
  readonly holdMs: number;
  /** Where time comes from. */
  readonly timers: Timers;
}

/** The usual: 15 s, longer than a lost lease needs to be replaced; the machine's time. */
export const defaultBelievingOptions: BelievingOptions = Object.freeze({ holdMs: 15_000, timers: systemTimers });

/**
 * The same registry for those who announce, and a cautious one for those who watch: an answer that is empty, or less than
 * half of what was known, is believed only once it has stood for `holdMs` (see {@link Caution}), of which the time that the
 * registry is away is no part. While it is away it tells nothing, so the last known set stands. Takes the registry over: closing it closes the other.
 */
export function believing(registry: Registry, options: Partial<BelievingOptions> = {}): Registry {
  const { holdMs, timers } = { ...defaultBelievingOptions, ...options };
  requireInteger("holdMs", holdMs, 0, 3_600_000);
  const watchers = new Watchers((service, listener) => watchCautiously(registry, service, listener, holdMs, timers));
  return {
    register: (instance) => registry.register(instance),
    deregister: (instance) => registry.deregister(instance),
    watch: (service, listener) => watchers.watch(service, listener),
    close() {
      watchers.close();
      return registry.close();
    },
  };
}

function watchCautiously(
  registry: Registry,
  service: string,
  listener: RegistryListener,
  holdMs: number,
  timers: Timers,
): () => void {
  const caution = new Caution(holdMs);
  // An answer stands only while the registry can be asked, so the time of its outages does not count.
  let awayMs = 0;
  let awaySince: number | undefined;
  const now = () => (awaySince ?? timers.now()) - awayMs;
  let cancel = () => {};
  const tell = (belief = caution.at(now())) => {
    cancel();
    if (belief === undefined) return;
    if (belief.until !== undefined) cancel = timers.after(Math.max(0, belief.until - now()), tell);
    listener.onInstances(belief.instances);
  };
  const stop = registry.watch(service, {
    onInstances(instances) {
      if (awaySince !== undefined) awayMs += timers.now() - awaySince;
      awaySince = undefined;
      tell(caution.hear(instances, now()));
    },
    onError(error) {
      awaySince ??= timers.now();
      cancel();
      listener.onError(error);
    },
  });
  return () => {
    cancel();
    stop();
  };
}
