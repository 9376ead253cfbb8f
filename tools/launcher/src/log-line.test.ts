import assert from "node:assert/strict";
import { test } from "node:test";
import { parseLogLine } from "./log-line.ts";

test("what a line says of an error is said once, with the error's causes", () => {
  const said = (msg: string, message?: string) =>
    parseLogLine(JSON.stringify({ level: "fatal", msg, ...(message !== undefined && { err: { message } }) }))?.message;
  assert.equal(said("port 1 is in use", "port 1 is in use: listen EADDRINUSE"), "port 1 is in use: listen EADDRINUSE");
  assert.equal(said("a call failed: no stock", "no stock"), "a call failed: no stock");
  assert.equal(said("a call failed", "no stock"), "a call failed: no stock");
  assert.equal(said("ready"), "ready");
});

test("what is no line of a log is none", () => {
  for (const line of ["", "Error: at x.ts:1", "1", "null", '{"level":"loud","msg":"x"}', '{"msg":"x"}'])
    assert.equal(parseLogLine(line), undefined, line);
});
