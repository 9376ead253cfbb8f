import assert from "node:assert/strict";
import { test } from "node:test";
import { createProblemLog } from "./problem-log.ts";

function start() {
  const time = { now: 0 };
  const lines: object[] = [];
  const log = { warn: (fields: object) => void lines.push(fields) };
  return { time, lines, log, problems: createProblemLog(log, () => time.now) };
}

test("the first problem is told at once, then one a minute, with how many there were since", () => {
  const { time, lines, problems } = start();
  problems.error("no answer", new Error("timeout"));
  problems.warn("no answer");
  time.now = 59_999;
  problems.warn("no answer");
  time.now = 60_000;
  problems.warn("refused");
  problems.info("all is well");
  assert.deepEqual(lines, [
    { problem: "no answer timeout", unlogged: 0 },
    { problem: "refused", unlogged: 2 },
  ]);
});

test("a problem with the line that tells of a problem is not told in turn", () => {
  const { lines, log, problems } = start();
  const { warn } = log;
  // As where the line is sent too, and has more fields than may be sent.
  log.warn = (fields) => {
    warn(fields);
    problems.warn("extra attributes");
  };
  problems.error("no answer");
  assert.deepEqual(lines, [{ problem: "no answer", unlogged: 0 }]);
});
