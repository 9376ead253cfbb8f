import { asError, registryClosed } from "./errors.ts";
import { isSameInstances } from "./instance.ts";
import type { Instance, RegistryListener } from "./registry.ts";

interface Watcher {
  readonly listener: RegistryListener;
  /** Has not been told anything yet; the microtask that its watch began with will. */
  fresh: boolean;
}

interface Topic {
  readonly watchers: Set<Watcher>;
  instances: readonly Instance[] | undefined;
  /** Since the registry told `instances` last. */
  error: Error | undefined;
  stop: () => void;
}

/**
 * All who watch, and one watch of a driver's for each service that any of them watches. A late watcher is told what is
 * known; the same twice is told once, but after an error it is told again; nobody is told before `watch` has returned, nor
 * after the watch's end; what a listener throws becomes a warning of the process.
 */
export class Watchers {
  readonly #topics = new Map<string, Topic>();
  readonly #open: (service: string, listener: RegistryListener) => () => void;
  #closed = false;

  /** `open` begins to watch a service, and answers how to end that. It is called when there is a first watcher. */
  constructor(open: (service: string, listener: RegistryListener) => () => void) {
    this.#open = open;
  }

  /** As {@link Registry.watch}. After {@link close} the listener is told an error, and nothing else. */
  watch(service: string, listener: RegistryListener): () => void {
    const watcher: Watcher = { listener, fresh: true };
    if (this.#closed) {
      const closed: Topic = { watchers: new Set([watcher]), instances: undefined, error: registryClosed(), stop() {} };
      queueMicrotask(() => tell(closed, watcher));
      return () => void closed.watchers.delete(watcher);
    }
    const topic = this.#topics.get(service) ?? this.#begin(service);
    topic.watchers.add(watcher);
    queueMicrotask(() => tell(topic, watcher));
    return () => {
      if (topic.watchers.delete(watcher) && topic.watchers.size === 0) this.#end(service, topic);
    };
  }

  /** Ends all watches. */
  close(): void {
    this.#closed = true;
    for (const [service, topic] of this.#topics) {
      topic.watchers.clear();
      this.#end(service, topic);
    }
  }

  #begin(service: string): Topic {
    const topic: Topic = { watchers: new Set(), instances: undefined, error: undefined, stop() {} };
    this.#topics.set(service, topic);
    topic.stop = this.#open(service, {
      onInstances(instances) {
        if (topic.error === undefined && topic.instances && isSameInstances(topic.instances, instances)) return;
        topic.instances = instances;
        topic.error = undefined;
        tellAll(topic);
      },
      onError(error) {
        if (topic.error?.message === error.message) return;
        topic.error = error;
        tellAll(topic);
      },
    });
    return topic;
  }

  #end(service: string, topic: Topic): void {
    if (this.#topics.get(service) === topic) this.#topics.delete(service);
    topic.stop();
  }
}

function tellAll(topic: Topic): void {
  for (const watcher of topic.watchers) if (!watcher.fresh) tell(topic, watcher);
}

/** Tells a watcher what is new to it. One that begins during an outage is told the last known, then the error. */
function tell(topic: Topic, watcher: Watcher): void {
  if (!topic.watchers.has(watcher)) return;
  const { instances, error } = topic;
  const first = watcher.fresh;
  watcher.fresh = false;
  try {
    if (instances !== undefined && (first || error === undefined)) watcher.listener.onInstances(instances);
    if (error !== undefined && topic.watchers.has(watcher)) watcher.listener.onError(error);
  } catch (thrown) {
    process.emitWarning(asError(thrown));
  }
}
