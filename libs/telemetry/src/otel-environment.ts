/** What OpenTelemetry sends apart. */
export type Signal = "traces" | "metrics" | "logs";

const signals: readonly Signal[] = ["traces", "metrics", "logs"];

/**
 * Whether OpenTelemetry's environment variables have that signal (or, without one, any) sent: by an exporter that they name
 * (`OTEL_TRACES_EXPORTER`), or by an endpoint (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`). By
 * OpenTelemetry's own rules all would be sent to this machine where nothing is set, and problems be told where nobody listens.
 * Metrics are sent by `otlp` only: what else may be named, such as `prometheus`, is there anyway. Logs need to be named
 * (`OTEL_LOGS_EXPORTER`, or an endpoint of their own): they are on standard output anyway, from where most platforms take them,
 * and each line that is sent costs as much as a span.
 */
export function isExported(signal?: Signal, env: NodeJS.ProcessEnv = process.env): boolean {
  if (signal === undefined) return signals.some((each) => isExported(each, env));
  if (env["OTEL_SDK_DISABLED"]?.toLowerCase() === "true") return false;
  const name = signal.toUpperCase();
  const exporters = env[`OTEL_${name}_EXPORTER`];
  // The metrics can be scraped whatever is set.
  const sends = (exporter: string) => exporter !== "none" && !(signal === "metrics" && exporter !== "otlp");
  if (exporters) return exporters.split(",").some((exporter) => sends(exporter.trim()));
  if (env[`OTEL_EXPORTER_OTLP_${name}_ENDPOINT`]) return true;
  return signal !== "logs" && Boolean(env["OTEL_EXPORTER_OTLP_ENDPOINT"]);
}
