import { type Counter, type Meter, metrics } from "@opentelemetry/api";

/** Something that happened, as the libraries tell of it: what kind of thing, and what is known of it. */
export interface CountedEvent {
  readonly type: string;
}

/** What events are counted by. Each has few values; what may have any number, such as an instance's address, is left out. */
const attributes = ["path", "from", "to", "state", "by", "priority", "refusing"] as const;

/**
 * Counts events in `shoal.resilience.events` of OpenTelemetry's meter `shoal`, by their type, method and new state. Counts
 * nothing, and costs next to nothing, until a meter provider is set up. Nobody needs to close it.
 */
export function createEventCounter(meter: Meter = metrics.getMeter("shoal")): (event: CountedEvent) => void {
  const counter: Counter = meter.createCounter("shoal.resilience.events", {
    description: "Changes of state, refusals and repetitions by which calls are kept from failing, or from doing harm.",
    unit: "{event}",
  });
  return (event) => {
    const labels: Record<string, string | boolean> = { type: event.type };
    for (const name of attributes) {
      const value = (event as unknown as Record<string, unknown>)[name];
      if (typeof value === "string" || typeof value === "boolean") labels[name] = value;
    }
    counter.add(1, labels);
  };
}
