import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

/** A value of an attribute as OTLP writes it in JSON: one of these, integers as text. */
interface OtlpValue {
  readonly stringValue?: string;
  readonly intValue?: string | number;
  readonly doubleValue?: number;
  readonly boolValue?: boolean;
  readonly arrayValue?: { readonly values?: readonly OtlpValue[] };
  readonly kvlistValue?: { readonly values?: readonly OtlpAttribute[] };
}

interface OtlpAttribute {
  readonly key: string;
  readonly value: OtlpValue;
}

/** Facts by name. */
export type ReceivedAttributes = Readonly<Record<string, unknown>>;

/** What was received, and from whom. */
interface Received {
  /** The service that has sent it. */
  readonly service: string;
  /** What is told of who has sent it: its name, version, instance, process and so on. */
  readonly resource: ReceivedAttributes;
}

/** A span that was received. */
export interface ReceivedSpan extends Received {
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

/** A log record that was received. */
export interface ReceivedLog extends Received {
  /** From 1, the least, to 24. */
  readonly severityNumber: number;
  readonly severityText: string;
  readonly body: unknown;
  readonly attributes: ReceivedAttributes;
  /** Empty where it was written outside of a trace, as is `spanId`. */
  readonly traceId: string;
  readonly spanId: string;
  /** Whether its trace is sampled. */
  readonly sampled: boolean;
  /** When it was written. */
  readonly timeMs: number;
}

/** What an {@link OtlpReceiver} does with what it gets: takes it; refuses it for now (503) or for good (500); never answers. */
export type OtlpBehaviour = "take" | "refuse" | "fail" | "hang";

/** Takes what OpenTelemetry's exporters send. */
export interface OtlpReceiver {
  /** What a process that is to send here has in its environment, besides `process.env`. */
  readonly environment: Readonly<Record<string, string>>;
  /** All spans so far. */
  readonly spans: readonly ReceivedSpan[];
  /** The names of all metrics so far, with the services that have sent them. */
  readonly metrics: ReadonlyMap<string, ReadonlySet<string>>;
  /** All log records so far. */
  readonly logs: readonly ReceivedLog[];
  /** How many requests have come. */
  readonly requests: number;
  /** How many of them have been answered, in whatever way. */
  readonly answered: number;
  /** What is done with requests from now on, and how long after they have come, in milliseconds. Default: at once. */
  behave(how: OtlpBehaviour, afterMs?: number): void;
}

/** Starts a receiver of OTLP over HTTP, in JSON, on 127.0.0.1. It ends with the test. */
export async function startOtlpReceiver(t: TestContext): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const metrics = new Map<string, Set<string>>();
  const logs: ReceivedLog[] = [];
  let requests = 0;
  let answered = 0;
  let behaviour: OtlpBehaviour = "take";
  let delayMs = 0;
  const take = ({ resourceSpans = [], resourceMetrics = [], resourceLogs = [] }: Sent) => {
    for (const { resource, scopeSpans } of resourceSpans)
      for (const { spans: sent } of scopeSpans) spans.push(...sent.map((span) => toSpan(senderOf(resource), span)));
    for (const { resource, scopeMetrics } of resourceMetrics)
      for (const { metrics: sent } of scopeMetrics)
        for (const { name } of sent)
          metrics.set(name, (metrics.get(name) ?? new Set()).add(senderOf(resource).service));
    for (const { resource, scopeLogs } of resourceLogs)
      for (const { logRecords } of scopeLogs) logs.push(...logRecords.map((log) => toLog(senderOf(resource), log)));
  };
  const server = createServer(async (request, response) => {
    requests += 1;
    const how = behaviour;
    if (how === "hang") return;
    const body = (await json(request).catch(() => undefined)) as Sent | undefined;
    if (delayMs > 0) await sleep(delayMs, undefined, { ref: false });
    // A sender that did not wait has had no answer.
    if (body === undefined || response.destroyed) return;
    if (how === "take") take(body);
    answered += 1;
    response.writeHead(statuses[how], { "content-type": "application/json" }).end("{}");
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
      OTEL_LOGS_EXPORTER: "otlp",
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
    get answered() {
      return answered;
    },
    behave: (how, afterMs = 0) => {
      behaviour = how;
      delayMs = afterMs;
    },
  };
}

/** What is answered, by HTTP: OTLP's senders come again with what was refused for now. */
const statuses = { take: 200, refuse: 503, fail: 500 };

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

interface SentLog {
  readonly timeUnixNano: string;
  readonly severityNumber?: number;
  readonly severityText?: string;
  readonly body?: OtlpValue;
  readonly attributes?: readonly OtlpAttribute[];
  readonly flags?: number;
  readonly traceId?: string;
  readonly spanId?: string;
}

interface Sent {
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
    readonly scopeLogs: readonly { readonly logRecords: readonly SentLog[] }[];
  }[];
}

const statusError = 2;
const flagSampled = 1;

function toSpan(sender: Received, span: SentSpan): ReceivedSpan {
  const { name, traceId, spanId, parentSpanId = "", kind, links = [], events = [] } = span;
  return {
    ...sender,
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

function toLog(sender: Received, log: SentLog): ReceivedLog {
  const { severityNumber = 0, severityText = "", body, flags = 0, traceId = "", spanId = "" } = log;
  return {
    ...sender,
    severityNumber,
    severityText,
    body: plain(body),
    attributes: attributesOf(log.attributes),
    traceId,
    spanId,
    sampled: (flags & flagSampled) !== 0,
    timeMs: Number(log.timeUnixNano) / 1e6,
  };
}

function senderOf(resource: Resource | undefined): Received {
  const attributes = attributesOf(resource?.attributes);
  return { service: String(attributes["service.name"]), resource: attributes };
}

function attributesOf(attributes: readonly OtlpAttribute[] = []): ReceivedAttributes {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, plain(value)]));
}

function plain(value: OtlpValue | undefined): unknown {
  if (value === undefined) return undefined;
  const { stringValue, intValue, doubleValue, boolValue, arrayValue, kvlistValue } = value;
  if (intValue !== undefined) return Number(intValue);
  if (kvlistValue !== undefined) return attributesOf(kvlistValue.values);
  return stringValue ?? doubleValue ?? boolValue ?? arrayValue?.values?.map(plain);
}
