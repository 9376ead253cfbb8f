import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import type { TestContext } from "node:test";

/** A value of an attribute as OTLP writes it in JSON: one of these, integers as text. */
interface OtlpValue {
  readonly stringValue?: string;
  readonly intValue?: string | number;
  readonly doubleValue?: number;
  readonly boolValue?: boolean;
  readonly arrayValue?: { readonly values?: readonly OtlpValue[] };
}

interface OtlpAttribute {
  readonly key: string;
  readonly value: OtlpValue;
}

/** Facts by name. */
export type ReceivedAttributes = Readonly<Record<string, unknown>>;

/** A span that was received. */
export interface ReceivedSpan {
  /** The service that has sent it. */
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the first span of a trace. */
  readonly parentSpanId: string;
  /** 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number;
  readonly attributes: ReceivedAttributes;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly events: readonly string[];
  /** Whether it says that it has failed. */
  readonly failed: boolean;
  readonly startMs: number;
  readonly endMs: number;
}

/** What an {@link OtlpReceiver} does with what it gets. */
export type OtlpBehaviour = "take" | "refuse" | "hang";

/** Takes what OpenTelemetry's exporters send. */
export interface OtlpReceiver {
  /** What a process that is to send here has in its environment, besides `process.env`. */
  readonly environment: Readonly<Record<string, string>>;
  /** All spans so far. */
  readonly spans: readonly ReceivedSpan[];
  /** The names of all metrics so far, with the services that have sent them. */
  readonly metrics: ReadonlyMap<string, ReadonlySet<string>>;
  /** The bodies of all log records so far. */
  readonly logs: readonly { readonly service: string; readonly body: unknown; readonly traceId: string }[];
  /** How many requests have come. */
  readonly requests: number;
  /** What is done with requests from now on. */
  behave(how: OtlpBehaviour): void;
}

/** Starts a receiver of OTLP over HTTP, in JSON, on 127.0.0.1. It ends with the test. */
export async function startOtlpReceiver(t: TestContext): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const metrics = new Map<string, Set<string>>();
  const logs: { service: string; body: unknown; traceId: string }[] = [];
  let requests = 0;
  let behaviour: OtlpBehaviour = "take";
  const server = createServer(async (request, response) => {
    requests += 1;
    if (behaviour === "hang") return;
    if (behaviour === "refuse") {
      response.writeHead(503).end();
      return;
    }
    const body = (await json(request)) as Received;
    for (const { resource, scopeSpans } of body.resourceSpans ?? [])
      for (const { spans: sent } of scopeSpans) spans.push(...sent.map((span) => toSpan(serviceOf(resource), span)));
    for (const { resource, scopeMetrics } of body.resourceMetrics ?? [])
      for (const { metrics: sent } of scopeMetrics)
        for (const { name } of sent) metrics.set(name, (metrics.get(name) ?? new Set()).add(serviceOf(resource)));
    for (const { resource, scopeLogs } of body.resourceLogs ?? [])
      for (const { logRecords } of scopeLogs)
        for (const record of logRecords)
          logs.push({ service: serviceOf(resource), body: plain(record.body), traceId: record.traceId ?? "" });
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    environment: {
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_BSP_SCHEDULE_DELAY: "50",
      OTEL_METRIC_EXPORT_INTERVAL: "1000",
      OTEL_BLRP_SCHEDULE_DELAY: "50",
    },
    spans,
    metrics,
    logs,
    get requests() {
      return requests;
    },
    behave: (how) => {
      behaviour = how;
    },
  };
}

interface Resource {
  readonly attributes?: readonly OtlpAttribute[];
}

interface SentSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly kind: number;
  readonly attributes?: readonly OtlpAttribute[];
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly events?: readonly { readonly name: string }[];
  readonly status?: { readonly code?: number };
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
}

interface Received {
  readonly resourceSpans?: readonly {
    readonly resource?: Resource;
    readonly scopeSpans: readonly { readonly spans: readonly SentSpan[] }[];
  }[];
  readonly resourceMetrics?: readonly {
    readonly resource?: Resource;
    readonly scopeMetrics: readonly { readonly metrics: readonly { readonly name: string }[] }[];
  }[];
  readonly resourceLogs?: readonly {
    readonly resource?: Resource;
    readonly scopeLogs: readonly {
      readonly logRecords: readonly { readonly body?: OtlpValue; readonly traceId?: string }[];
    }[];
  }[];
}

const statusError = 2;

function toSpan(service: string, span: SentSpan): ReceivedSpan {
  const { name, traceId, spanId, parentSpanId = "", kind, links = [], events = [] } = span;
  return {
    service,
    name,
    traceId,
    spanId,
    parentSpanId,
    kind,
    attributes: attributesOf(span.attributes),
    links: links.map((link) => ({ traceId: link.traceId, spanId: link.spanId })),
    events: events.map((event) => event.name),
    failed: span.status?.code === statusError,
    startMs: Number(span.startTimeUnixNano) / 1e6,
    endMs: Number(span.endTimeUnixNano) / 1e6,
  };
}

function serviceOf(resource: Resource | undefined): string {
  return String(attributesOf(resource?.attributes)["service.name"]);
}

function attributesOf(attributes: readonly OtlpAttribute[] = []): ReceivedAttributes {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, plain(value)]));
}

function plain(value: OtlpValue | undefined): unknown {
  if (value === undefined) return undefined;
  const { stringValue, intValue, doubleValue, boolValue, arrayValue } = value;
  if (intValue !== undefined) return Number(intValue);
  return stringValue ?? doubleValue ?? boolValue ?? arrayValue?.values?.map(plain);
}
