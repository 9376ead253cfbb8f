import { tasksAtWork } from "@shoal/concurrency";
import type { ProcessShedder } from "@shoal/resilience";
import type { RpcServer } from "@shoal/rpc";
import type { Metrics } from "@shoal/telemetry";

/** Has the state of a service's parts read whenever somebody looks at the metrics, as long as the process lives. */
export function watchService(metrics: Metrics, server: RpcServer, shedder: ProcessShedder | undefined): void {
  metrics.gauge(
    { name: "shoal.rpc.server.connections", unit: "{connection}", description: "Connections of callers." },
    (observe) => observe(server.connections),
  );
  if (shedder !== undefined) watchShedder(metrics, shedder);
  watchTasks(metrics);
}

function watchShedder(metrics: Metrics, shedder: ProcessShedder): void {
  const gauge = (name: string, description: string, read: () => number) =>
    metrics.gauge({ name: `shoal.shedder.${name}`, unit: "{call}", description }, (observe) => observe(read()));
  gauge("limit", "Calls that may be at work at once, as the load allows now.", () => shedder.limit);
  gauge("running_calls", "Calls that are at work by leave of the load shedder.", () => shedder.atWork);
  gauge("waiting_calls", "Calls that wait until fewer are at work than the limit.", () => shedder.waiting);
}

function watchTasks(metrics: Metrics): void {
  metrics.gauge(
    { name: "shoal.tasks.active", unit: "{task}", description: "Tasks at work, by the scope that they belong to." },
    (observe) => {
      for (const { scope, agesMs } of tasksAtWork()) observe(agesMs.length, { "shoal.scope": scope });
    },
  );
  metrics.gauge(
    { name: "shoal.tasks.oldest_age", unit: "s", description: "For how long the oldest task of a scope has run." },
    (observe) => {
      const oldest = new Map<string, number>();
      for (const { scope, agesMs } of tasksAtWork())
        oldest.set(scope, Math.max(oldest.get(scope) ?? 0, agesMs[0] ?? 0));
      for (const [scope, ageMs] of oldest) observe(ageMs / 1_000, { "shoal.scope": scope });
    },
  );
}
