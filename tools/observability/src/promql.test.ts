import assert from "node:assert/strict";
import { test } from "node:test";
import { namesIn } from "./promql.ts";

test("finds the metrics and labels of an expression", () => {
  const expression =
    'sum by (service, le) (rate(calls_bucket{method=~"a|b", code!="OK"}[5m])) / on (service) group_left up{job="x"} or own:calls:rate5m';
  assert.deepEqual(namesIn(expression), {
    selectors: [
      { metric: "calls_bucket", labels: ["method", "code"], text: 'calls_bucket{method=~"a|b", code!="OK"}' },
      { metric: "up", labels: ["job"], text: 'up{job="x"}' },
      { metric: "own:calls:rate5m", labels: [], text: "own:calls:rate5m" },
    ],
    groupedBy: ["service", "le"],
  });
});

test("refuses what is no expression", () => {
  for (const expression of ["sum by (", "rate(calls[5m]", "calls{a=}", "calls[$__rate_interval]"])
    assert.throws(() => namesIn(expression), SyntaxError, expression);
});
