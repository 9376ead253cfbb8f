import type { Metrics } from "./metrics/metrics.ts";

/** Something that happened, as the libraries tell of it: what kind of thing, and what is known of it. */
export interface CountedEvent {
  readonly type: string;
}

/** What events are counted by. Each has few values; what may have any number, such as an instance's address, is left out. */
const attributes = ["path", "from", "to", "state", "by", "priority", "refusing"] as const;

/** Counts events in `shoal.resilience.events`, by their type, method and new state. */
export function createEventCounter(metrics: Metrics): (event: CountedEvent) => void {
  const counter = metrics.counter({
    name: "shoal.resilience.events",
    description: "Changes of state, refusals and repetitions by which calls are kept from failing, or from doing harm.",
    unit: "{event}",
  });
  return (event) => {
    const labels: Record<string, string | boolean> = { type: event.type };
    for (const name of attributes) {
      const value = (event as unknown as Record<string, unknown>)[name];
      if (typeof value === "string" || typeof value === "boolean") labels[name] = value;
    }
    counter.with(labels).add();
  };
}
