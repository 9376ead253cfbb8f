// What several dashboards ask Prometheus. `at` chooses the series, such as `service=~"$service"`.

/** The calls that count: those of our own services, and not health checks or reflection. */
const ours = 'rpc_method=~"shoal[.].*"';

/** Calls with an answer: streams are as long as their callers want. As in deploy/observability/prometheus/slo.yml. */
export const streams = "LoadStock|PlaceOrders|WatchOrders|WatchStock";
export const unary = `${ours}, rpc_method!~".*/(${streams})"`;

/** The codes by which a service has failed, and not its caller. */
export const failed = 'rpc_status_code=~"UNKNOWN|DEADLINE_EXCEEDED|UNIMPLEMENTED|INTERNAL|UNAVAILABLE|DATA_LOSS"';

/** How often something happens in a second, added up by these labels. */
export function rate(by: string, metric: string, at: string): string {
  return `sum by (${by}) (rate(${metric}{${at}}[$__rate_interval]))`;
}

/** Calls that are served in a second. */
export function served(by: string, at: string): string {
  return rate(by, "rpc_server_call_duration_seconds_count", join(ours, at));
}

/** A quantile of what a histogram has counted. */
export function quantile(of: number, by: string, histogram: string, at: string): string {
  const labels = by === "" ? "le" : `${by}, le`;
  return `histogram_quantile(${of}, ${rate(labels, `${histogram}_bucket`, at)})`;
}

/** p50, p95 and p99 as three lines. */
export function quantiles(histogram: string, at: string): Record<string, string> {
  const of = (q: number) => quantile(q, "", histogram, at);
  return { p50: of(0.5), p95: of(0.95), p99: of(0.99) };
}

/** What is not there until it has happened, by service and maybe more: zero for each service of which there is none. */
export function orZero(query: string, at = 'job="shoal"'): string {
  return `${query} or on (service) 0 * sum by (service) (up{${at}})`;
}

export function join(...selectors: readonly string[]): string {
  return selectors.filter((selector) => selector !== "").join(", ");
}
