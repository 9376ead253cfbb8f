import assert from "node:assert/strict";
import { test } from "node:test";
import { workloads } from "./workloads.ts";

test("every workload does what it says, again and again", async () => {
  for (const { group, name, prepare } of workloads) {
    const repeat = await prepare();
    for (let n = 0; n < 2; n += 1) await assert.doesNotReject(async () => repeat(1_000), `${group}.${name}`);
  }
});
