import assert from "node:assert/strict";
import { test } from "node:test";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { Metrics } from "./metrics.ts";
import { PrometheusReader } from "./prometheus-reader.ts";

/** The lines of what Prometheus gets, without comments and the one about the process. */
async function exposed(metrics: Metrics): Promise<readonly string[]> {
  const reader = new PrometheusReader([metrics]);
  new MeterProvider({ readers: [reader] });
  return (await reader.expose()).split("\n").filter((line) => line !== "" && !/^(#|target_info)/.test(line));
}

const calls = { name: "shoal.calls", unit: "{call}", description: "Calls." };

test("sums are kept by their labels, in whatever order these are given", async () => {
  const metrics = new Metrics();
  const counter = metrics.counter(calls);
  counter.with({ method: "Get", code: "OK" }).add();
  counter.with({ code: "OK", method: "Get" }).add(2);
  counter.with({ method: "List", code: "OK" }).add();
  assert.deepEqual(await exposed(metrics), [
    'shoal_calls_total{method="Get",code="OK"} 3',
    'shoal_calls_total{method="List",code="OK"} 1',
  ]);
});

test("a histogram counts up to and including each boundary, and what is above the last", async () => {
  const metrics = new Metrics();
  const options = { name: "shoal.wait", unit: "s", description: "Waits.", boundaries: [0.1, 0.5, 1] };
  const waits = metrics.histogram(options).with({});
  for (const seconds of [0, 0.1, 0.11, 0.5, 1, 1.5, 700, Number.NaN, -1]) waits.record(seconds);
  assert.deepEqual(await exposed(metrics), [
    "shoal_wait_seconds_count 7",
    "shoal_wait_seconds_sum 703.21",
    'shoal_wait_seconds_bucket{le="0.1"} 2',
    'shoal_wait_seconds_bucket{le="0.5"} 4',
    'shoal_wait_seconds_bucket{le="1"} 5',
    'shoal_wait_seconds_bucket{le="+Inf"} 7',
  ]);
});

test("callers who send ever new labels fill no memory: those over the limit are counted together", async () => {
  const metrics = new Metrics();
  const counter = metrics.counter({ ...calls, maxSeries: 3 });
  for (let n = 0; n < 1_000; n += 1) counter.with({ caller: `c${n}` }).add();
  counter.with({ caller: "c0" }).add();
  assert.deepEqual(await exposed(metrics), [
    'shoal_calls_total{caller="c0"} 2',
    'shoal_calls_total{caller="c1"} 1',
    'shoal_calls_total{otel_metric_overflow="true"} 998',
  ]);
});

test("a gauge is read when it is looked at, all its readers together", async () => {
  const metrics = new Metrics();
  let waiting = 1;
  metrics.gauge({ ...calls, name: "shoal.waiting" }, (observe) => observe(waiting, { queue: "a" }));
  metrics.gauge({ ...calls, name: "shoal.waiting" }, (observe) => observe(10, { queue: "a" }));
  metrics.observedCounter({ ...calls, name: "process.cpu.time", unit: "s" }, (observe) => observe(2.5));
  waiting = 5;
  assert.deepEqual(await exposed(metrics), ['shoal_waiting{queue="a"} 15', "process_cpu_time_seconds_total 2.5"]);
});

test("an instrument that is asked for again is the same one, and none of another kind takes its name", async () => {
  const metrics = new Metrics();
  metrics.counter(calls).with({}).add();
  metrics.counter(calls).with({}).add();
  assert.deepEqual(await exposed(metrics), ["shoal_calls_total 2"]);
  assert.throws(() => metrics.upDownCounter(calls), /shoal\.calls is a counter already/);
});
