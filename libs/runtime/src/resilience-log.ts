import type { SheddingEvent } from "@shoal/resilience";
import type { OnRefused, ResilienceEvent } from "@shoal/rpc";
import type { CountedEvent, Logger } from "@shoal/telemetry";

/** What is told of how a service keeps up. */
export interface ResilienceLog {
  /** What its clients tell. */
  onClientEvent(event: ResilienceEvent): void;
  /** What its load shedder tells. */
  onShedding(event: SheddingEvent): void;
  /** What its server tells of calls that are refused by their headers. */
  onRefused: OnRefused;
}

/** Has all events counted, and logs those by which a service or one that it calls has got into trouble or out of it. */
export function createResilienceLog(log: Logger, count: (event: CountedEvent) => void): ResilienceLog {
  return {
    onClientEvent: (event) => {
      count(event);
      if (event.type === "breaker") log[event.to === "open" ? "warn" : "info"](event, `a breaker is ${event.to}`);
      else if (event.type === "retry-budget")
        log[event.state === "exhausted" ? "warn" : "info"](event, `the budget for retries is ${event.state}`);
      else if (event.type === "ejection")
        log[event.state === "ejected" ? "warn" : "info"](event, `an instance is ${event.state}`);
    },
    onShedding: (event) => {
      count(event);
      const { priority, refusing, limit } = event;
      if (refusing) log.warn({ priority, limit }, "there is too much to do: calls are refused");
      else log.info({ priority, limit }, "calls are refused no more");
    },
    onRefused: ({ path, priority }) => count({ type: "refused", by: "shedder", path, priority } as CountedEvent),
  };
}
