/** What OpenTelemetry sends apart. */
export type Signal = "traces" | "metrics" | "logs";

const signals: readonly Signal[] = ["traces", "metrics", "logs"];

/**
 * Whether OpenTelemetry's environment variables have that signal (or, without one, any) sent: by an exporter that they name
 * (`OTEL_TRACES_EXPORTER`), or by an endpoint (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`). By
 * OpenTelemetry's own rules all would be sent to this machine where nothing is set, and problems be told where nobody listens.
 */
export function isExported(signal?: Signal, env: NodeJS.ProcessEnv = process.env): boolean {
  if (signal === undefined) return signals.some((each) => isExported(each, env));
  if (env["OTEL_SDK_DISABLED"]?.toLowerCase() === "true") return false;
  const name = signal.toUpperCase();
  const exporters = env[`OTEL_${name}_EXPORTER`];
  if (exporters) return exporters !== "none";
  return Boolean(env["OTEL_EXPORTER_OTLP_ENDPOINT"] || env[`OTEL_EXPORTER_OTLP_${name}_ENDPOINT`]);
}
