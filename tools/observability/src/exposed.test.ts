import assert from "node:assert/strict";
import { test } from "node:test";
import { exposedIn } from "./exposed.ts";

test("reads the metrics of several services, with all labels that some of their series have", () => {
  const order = `# HELP calls Calls.
# TYPE calls counter
calls_total{method="a",says="x=\\"1\\", {y}"} 1
calls_total{method="a",error="NONE"} 2.5e-3
`;
  assert.deepEqual(
    exposedIn([order, 'up_seconds 4\ncalls_total{by="b"} 1\n']),
    new Map([
      ["calls_total", new Set(["method", "says", "error", "by"])],
      ["up_seconds", new Set()],
    ]),
  );
});
