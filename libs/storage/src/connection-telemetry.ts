import type { PoolEvent, PoolStats } from "@shoal/pool";
import type { Metrics } from "@shoal/telemetry";

/** Bounds of waits and of use, in seconds. */
const boundaries = [0.000_1, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60];

/**
 * Counts what happens to the connections of a database, and tells how they are when somebody looks, named as OpenTelemetry's
 * conventions for database connections name it. `pool` is the database's name; `stats` are its figures now.
 */
export function connectionTelemetry(
  metrics: Metrics,
  pool: string,
  max: number,
  stats: () => PoolStats,
): (event: PoolEvent) => void {
  const labels = { "db.client.connection.pool.name": pool };
  const seconds = (name: string, description: string) =>
    metrics.histogram({ name: `db.client.connection.${name}`, unit: "s", description, boundaries }).with(labels);
  const connections = (name: string, unit: string, description: string) => ({
    name: `db.client.connection.${name}`,
    unit,
    description,
  });
  metrics.gauge(connections("count", "{connection}", "Open connections, used and idle."), (observe) => {
    const { open, idle } = stats();
    observe(open - idle, { ...labels, "db.client.connection.state": "used" });
    observe(idle, { ...labels, "db.client.connection.state": "idle" });
  });
  metrics.gauge(connections("max", "{connection}", "How many connections there may be."), (observe) =>
    observe(max, labels),
  );
  metrics.gauge(connections("pending_requests", "{request}", "Calls that wait for a connection."), (observe) =>
    observe(stats().waiting, labels),
  );
  const waited = seconds("wait_time", "How long calls waited for a connection.");
  const used = seconds("use_time", "How long a connection was used at a time.");
  const created = seconds("create_time", "How long it took to open a connection.");
  const timeouts = metrics
    .counter(connections("timeouts", "{timeout}", "Calls that got no connection in time."))
    .with(labels);
  const events = metrics.counter({
    name: "shoal.db.connection.events",
    unit: "{event}",
    description: "Connections that could not be opened, were closed, or are kept too long, and calls that got none.",
  });
  const count = (type: string, reason?: string) =>
    events.with({ ...labels, type, ...(reason !== undefined && { reason }) }).add();
  return (event) => {
    if (event.type === "acquired") waited.record(event.waitMs / 1_000);
    else if (event.type === "released") used.record(event.heldMs / 1_000);
    else if (event.type === "opened") created.record(event.tookMs / 1_000);
    else if (event.type === "closed") count("closed", event.reason);
    else if (event.type === "refused") {
      count("refused", event.reason);
      if (event.reason === "timeout") timeouts.add();
    } else count(event.type);
  };
}
