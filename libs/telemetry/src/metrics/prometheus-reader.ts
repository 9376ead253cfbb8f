import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { type MetricProducer, MetricReader, type ResourceMetrics } from "@opentelemetry/sdk-metrics";

/** The media type of what {@link PrometheusReader.expose} answers. */
export const prometheusContentType = "text/plain; version=0.0.4; charset=utf-8";

/** Answers all metrics as text for Prometheus, whenever it is asked. */
export class PrometheusReader extends MetricReader {
  readonly #serializer = new PrometheusSerializer(undefined, false, undefined, false, true);

  /** Reads what `metricProducers` have besides the provider's own meters. */
  constructor(metricProducers: MetricProducer[]) {
    super({ metricProducers });
  }

  /** Prometheus' text format. Names end in their unit, as OpenTelemetry's rules for Prometheus have it. */
  async expose(): Promise<string> {
    const { resourceMetrics } = await this.collect();
    // Some of what is known of the host is looked up; OpenTelemetry's SDK tells of a problem when that is read before.
    await resourceMetrics.resource.waitForAsyncAttributes?.();
    return `${this.#serializer.serialize(withUnits(resourceMetrics)).trimEnd()}\n`;
  }

  protected override async onForceFlush(): Promise<void> {}

  protected override async onShutdown(): Promise<void> {}
}

/** UCUM's units by Prometheus' words; those in braces only say what is counted. */
const words: Readonly<Record<string, string>> = { s: "seconds", ms: "milliseconds", By: "bytes", "1": "ratio" };

function withUnits({ resource, scopeMetrics }: ResourceMetrics): ResourceMetrics {
  return {
    resource,
    scopeMetrics: scopeMetrics.map(({ scope, metrics }) => ({
      scope,
      metrics: metrics.map((metric) => {
        const { name, unit } = metric.descriptor;
        const word = words[unit];
        const named = word === undefined || name.endsWith(word) ? name : `${name}.${word}`;
        return { ...metric, descriptor: { ...metric.descriptor, name: named, unit: "" } };
      }),
    })),
  };
}
