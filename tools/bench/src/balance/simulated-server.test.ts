import assert from "node:assert/strict";
import { test } from "node:test";
import { SimulatedServer } from "./simulated-server.ts";

test("works on so many at a time, and on the others in order as it gets free", () => {
  const begun: string[] = [];
  const server = new SimulatedServer<{ name: string; isWanted: boolean }>(2, ({ name }) => begun.push(name));
  const calls = ["a", "b", "c", "d", "e"].map((name) => ({ name, isWanted: true }));
  for (const call of calls) server.arrive(call);
  assert.deepEqual(begun, ["a", "b"]);
  for (const call of calls.filter(({ name }) => name === "c")) call.isWanted = false;
  server.done();
  assert.deepEqual(begun, ["a", "b", "d"]);
  server.done();
  server.done();
  server.done();
  server.arrive({ name: "f", isWanted: true });
  assert.deepEqual(begun, ["a", "b", "d", "e", "f"]);
});
