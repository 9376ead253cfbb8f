import assert from "node:assert/strict";
import { test } from "node:test";
import { isExported } from "./otel-environment.ts";

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" };
const exported = (env: NodeJS.ProcessEnv) => [
  isExported("traces", env),
  isExported("metrics", env),
  isExported("logs", env),
];

test("nothing is sent unless it is asked for, and logs only where they are named", () => {
  assert.deepEqual(exported({}), [false, false, false]);
  assert.deepEqual(exported(endpoint), [true, true, false]);
  assert.deepEqual(exported({ ...endpoint, OTEL_LOGS_EXPORTER: "otlp" }), [true, true, true]);
  assert.deepEqual(exported({ OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: "http://collector:4318" }), [false, false, true]);
  assert.deepEqual(exported({ ...endpoint, OTEL_TRACES_EXPORTER: "none" }), [false, true, false]);
  assert.deepEqual(exported({ OTEL_TRACES_EXPORTER: "console" }), [true, false, false]);
  assert.deepEqual(exported({ OTEL_METRICS_EXPORTER: "prometheus" }), [false, false, false]);
  assert.deepEqual(exported({ OTEL_METRICS_EXPORTER: "prometheus, otlp" }), [false, true, false]);
  assert.deepEqual(exported({ ...endpoint, OTEL_SDK_DISABLED: "true" }), [false, false, false]);
  assert.equal(isExported(undefined, {}), false);
  assert.equal(isExported(undefined, endpoint), true);
});
