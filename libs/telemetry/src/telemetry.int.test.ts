import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { context, metrics as metricsApi, trace } from "@opentelemetry/api";
import { type OtlpReceiver, startOtlpReceiver, until } from "@shoal/testkit";
import { createLogger } from "./logger.ts";
import { startTelemetry } from "./telemetry.ts";

/** Telemetry that sends as `environment` says. It is shut down with the test. */
async function start(t: TestContext, environment: Readonly<Record<string, string>>) {
  Object.assign(process.env, environment);
  t.after(() => {
    for (const name of Object.keys(environment)) delete process.env[name];
  });
  const problems: string[] = [];
  const log = { warn: (fields: object) => void problems.push(String((fields as { problem: string }).problem)) };
  const telemetry = await startTelemetry({ service: "fixture", version: "1.2.3", log });
  t.after(() => telemetry.shutdown());
  return { telemetry, problems };
}

test("without OTEL_* variables metrics can be scraped, and nothing is traced or sent", async (t) => {
  const { telemetry } = await start(t, {});
  assert.equal(telemetry.tracer.startSpan("call").isRecording(), false);
  telemetry.metrics.counter({ name: "shoal.own", unit: "{call}", description: "Own." }).with({}).add();
  metricsApi.getMeter("theirs").createCounter("theirs").add(2);
  const text = await telemetry.expose();
  assert.match(text, /^target_info\{service_name="fixture",service_version="1\.2\.3"\} 1$/m);
  assert.match(text, /^shoal_own_total 1$/m);
  assert.match(text, /^theirs_total 2$/m);
});

test("with an endpoint, traces and metrics are sent there, what is left at the end included", async (t) => {
  const collector = await startOtlpReceiver(t);
  const { telemetry } = await start(t, collector.environment);
  const span = telemetry.tracer.startSpan("outer");
  context.with(trace.setSpan(context.active(), span), () => telemetry.tracer.startSpan("inner").end());
  span.end();
  telemetry.metrics.counter({ name: "shoal.own", unit: "{call}", description: "Own." }).with({}).add();
  await telemetry.shutdown();
  assert.deepEqual(
    collector.spans.map(({ service, name, traceId }) => [service, name, traceId === span.spanContext().traceId]),
    [
      ["fixture", "inner", true],
      ["fixture", "outer", true],
    ],
  );
  assert.ok(collector.metrics.has("shoal.own"));
});

test("a start finds no problem, also after another one, and a scrape before anything has been sent is none", async (t) => {
  const collector = await startOtlpReceiver(t);
  for (let n = 0; n < 2; n += 1) {
    const { telemetry, problems } = await start(t, collector.environment);
    assert.match(await telemetry.expose(), /^target_info\{.*host_name=".+"/m);
    await telemetry.shutdown();
    assert.deepEqual(problems, []);
  }
});

/** A logger that writes nowhere, but keeps its lines. */
function startLogger() {
  const lines: Record<string, unknown>[] = [];
  return { lines, log: createLogger("fixture", "info", { write: (line) => void lines.push(JSON.parse(line)) }) };
}

test("lines of the log are sent too, as they were written, with their place in the trace", async (t) => {
  const collector = await startOtlpReceiver(t);
  const { log, lines } = startLogger();
  const before = Date.now();
  log.info("before telemetry");
  const { telemetry } = await start(t, collector.environment);
  const span = telemetry.tracer.startSpan("call");
  context.with(trace.setSpan(context.active(), span), () =>
    log.child({ part: "store" }).warn({ userId: "u-1", email: "ada@example.com", size: { bytes: 7 } }, "odd"),
  );
  log.debug("below the level");
  log.info("outside of any span");
  span.end();
  await telemetry.shutdown();
  assert.deepEqual(
    lines.map(({ msg }) => msg),
    ["before telemetry", "odd", "outside of any span"],
  );
  const [odd, outside, ...others] = collector.logs;
  assert.deepEqual(others, []);
  assert.ok(odd !== undefined && outside !== undefined);
  const { timeMs, resource, ...rest } = odd;
  assert.deepEqual(rest, {
    service: "fixture",
    severityNumber: 13,
    severityText: "warn",
    body: "odd",
    attributes: { part: "store", userId: "u-1", email: "[redacted]", size: { bytes: 7 } },
    traceId: span.spanContext().traceId,
    spanId: span.spanContext().spanId,
    sampled: true,
  });
  assert.ok(timeMs >= before && timeMs <= Date.now());
  assert.deepEqual([outside.body, outside.traceId, outside.spanId], ["outside of any span", "", ""]);
  // Who has sent it is told in the same way.
  assert.deepEqual(resource, collector.spans[0]?.resource);
  assert.equal(resource["service.version"], "1.2.3");
  assert.ok(resource["service.instance.id"]);
});

test("lines that were written right before the end are sent, and those of the next start as well", async (t) => {
  const collector = await startOtlpReceiver(t);
  // Nothing is sent before the end.
  const environment = { ...collector.environment, OTEL_BLRP_SCHEDULE_DELAY: "60000" };
  for (const word of ["first", "second"]) {
    const { telemetry } = await start(t, environment);
    startLogger().log.fatal(word);
    await Promise.all([telemetry.shutdown(), telemetry.shutdown()]);
  }
  assert.deepEqual(
    collector.logs.map(({ body, severityText }) => [body, severityText]),
    [
      ["first", "fatal"],
      ["second", "fatal"],
    ],
  );
});

test("lines are not sent where logs are switched off, and go nowhere once telemetry has ended", async (t) => {
  const collector = await startOtlpReceiver(t);
  const { telemetry } = await start(t, { ...collector.environment, OTEL_LOGS_EXPORTER: "none" });
  const { log, lines } = startLogger();
  log.info("on");
  telemetry.tracer.startSpan("call").end();
  await telemetry.shutdown();
  log.info("after");
  assert.equal(collector.spans.length, 1);
  assert.deepEqual([collector.logs.length, lines.length], [0, 2]);
});

test("a signal that is switched off is not sent", async (t) => {
  const collector = await startOtlpReceiver(t);
  const { telemetry } = await start(t, { ...collector.environment, OTEL_TRACES_EXPORTER: "none" });
  assert.equal(telemetry.tracer.startSpan("call").isRecording(), false);
  telemetry.metrics.counter({ name: "shoal.own", unit: "{call}", description: "Own." }).with({}).add();
  await telemetry.shutdown();
  assert.ok(collector.metrics.has("shoal.own"));
});

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

function heapInUse(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

/** An address on this machine where nobody listens. */
async function nobody(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return `http://127.0.0.1:${port}`;
}

const troubles: readonly [string, (t: TestContext) => Promise<Record<string, string>>][] = [
  [
    "is absent",
    async () => ({ OTEL_EXPORTER_OTLP_ENDPOINT: await nobody(), OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" }),
  ],
  ["hangs", (t) => behaving(t, "hang")],
  ["refuses for now", (t) => behaving(t, "refuse")],
  ["refuses for good", (t) => behaving(t, "fail")],
];

/** Little at a time, and what is left at the end is soon given up: this process ends after that. */
const sending = {
  OTEL_BSP_SCHEDULE_DELAY: "10",
  OTEL_BSP_MAX_QUEUE_SIZE: "512",
  OTEL_BLRP_MAX_QUEUE_SIZE: "512",
  OTEL_EXPORTER_OTLP_TIMEOUT: "4000",
};

async function behaving(t: TestContext, how: Parameters<OtlpReceiver["behave"]>[0]) {
  const collector = await startOtlpReceiver(t);
  collector.behave(how);
  return { ...collector.environment };
}

for (const [trouble, environmentOf] of troubles)
  test(`where the collector ${trouble}, spans and lines are dropped instead of kept, and the end is not held up`, async (t) => {
    const { telemetry, problems } = await start(t, { ...(await environmentOf(t)), ...sending });
    const log = createLogger("fixture", "info", { write: () => {} });
    const make = (count: number) => {
      for (let n = 0; n < count; n += 1) {
        telemetry.tracer.startSpan("call", { attributes: { n } }).end();
        log.info({ n }, "call");
      }
    };
    // What is kept is bounded by the SDK's queues, and those are full by then.
    make(20_000);
    await sleep(50);
    const before = heapInUse();
    for (let round = 0; round < 4; round += 1) {
      make(20_000);
      await sleep(5);
    }
    // 80,000 spans and lines that were kept would take more than a hundred megabytes.
    await until("memory is as it was", () => heapInUse() < before + 16 * 1024 ** 2);
    await until("it is told", () => problems.length > 0 || trouble === "hangs");
    assert.ok(problems.length <= 1, "once a minute");
    const startedAt = performance.now();
    await telemetry.shutdown();
    assert.ok(performance.now() - startedAt < 10_000);
  });

test("the service has the name that OpenTelemetry's variables give it, also where nothing is sent", async (t) => {
  const { telemetry } = await start(t, { OTEL_SERVICE_NAME: "renamed" });
  assert.match(await telemetry.expose(), /^target_info\{.*service_name="renamed"/m);
});
