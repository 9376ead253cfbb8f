import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { temporaryDirectory } from "@shoal/testkit";
import type { OpenerData } from "./fixture-opener.ts";

const rounds = 150;
const threads = 2;

test("a new SQLite file can be opened by several at the same moment, as instances that start together do", async (t) => {
  const arrived = new Int32Array(new SharedArrayBuffer(4));
  const workerData: OpenerData = { folder: await temporaryDirectory(t), rounds, threads, arrived };
  const failures = await Promise.all(
    Array.from({ length: threads }, async () => {
      const worker = new Worker(new URL("fixture-opener.ts", import.meta.url), { workerData });
      const [failed] = (await once(worker, "message")) as [readonly string[]];
      await worker.terminate();
      return failed;
    }),
  );
  assert.deepEqual(failures.flat(), []);
});
