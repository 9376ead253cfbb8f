import { startTelemetry, type Telemetry } from "@shoal/telemetry";

/** How often metrics are collected, in milliseconds. */
const collectMs = 5_000;

/** Every call has its place in a trace; none is sampled, and nothing is sent. */
const environment = {
  OTEL_TRACES_EXPORTER: "otlp",
  OTEL_TRACES_SAMPLER: "parentbased_always_off",
  OTEL_METRICS_EXPORTER: "none",
  OTEL_LOGS_EXPORTER: "none",
};

/** A service's telemetry, with its metrics collected now and then, as if they were scraped. The caller shuts it down. */
export async function startUnsampledTelemetry(): Promise<Telemetry> {
  const { env } = process;
  // For this process alone: what it starts later has its own settings.
  process.env = { ...env, ...environment };
  try {
    const log = { warn: (fields: object, message: string) => console.error(message, fields) };
    const telemetry = await startTelemetry({ service: "bench", log });
    const timer = setInterval(() => void telemetry.expose(), collectMs).unref();
    const shutdown = async () => {
      clearInterval(timer);
      await telemetry.shutdown();
    };
    return { ...telemetry, shutdown };
  } finally {
    process.env = env;
  }
}
