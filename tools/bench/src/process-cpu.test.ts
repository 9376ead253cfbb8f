import assert from "node:assert/strict";
import { test } from "node:test";
import { cpuMicrosIn } from "./process-cpu.ts";

test("a process's time is its user and its system time, whatever it is called", () => {
  const rest = "S 1 2 2 0 -1 4194560 1 2 3 4 150 25 7 8 20 0 12 0 100";
  assert.equal(cpuMicrosIn(`42 (node) ${rest}`), 1_750_000);
  assert.equal(cpuMicrosIn(`42 (a (strange) name) ${rest}`), 1_750_000);
});
