import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError, type ErrorKind } from "@shoal/kernel";
import { retrying } from "./retry.ts";

const failure = (kind: ErrorKind) => new AppError({ kind, reason: "X", domain: "test", message: "x", retryAfterMs: 0 });
const signal = new AbortController().signal;

test("answers the first success after transient failures", async () => {
  const answer = await retrying(signal, async (attempt) => {
    if (attempt < 3) throw failure("unavailable");
    return attempt;
  });
  assert.equal(answer, 3);
});

test("gives up when it has tried often enough, and long enough", async () => {
  const tried = async (patienceMs: number, succeedAt: number) => {
    let attempts = 0;
    const call = async () => {
      attempts += 1;
      if (attempts < succeedAt) throw failure("timeout");
    };
    const end = retrying(signal, call, { attempts: 5, patienceMs, pauseMs: 1 });
    return await end.then(
      () => ({ attempts, answered: true }),
      () => ({ attempts, answered: false }),
    );
  };
  assert.deepEqual(await tried(0, 6), { attempts: 5, answered: false });
  assert.deepEqual(await tried(60_000, 50), { attempts: 50, answered: true });
});

test("waits at least for as long as the failure says", async (t) => {
  t.mock.method(Math, "random", () => 0);
  const busy = new AppError({ kind: "exhausted", reason: "X", domain: "test", message: "x", retryAfterMs: 100 });
  const startedAt = performance.now();
  await retrying(signal, async (attempt) => {
    if (attempt === 1) throw busy;
  });
  const tookMs = performance.now() - startedAt;
  // A timer may be a millisecond early.
  assert.ok(tookMs >= 99, `${tookMs} ms`);
});

test("passes a failure on at once that waiting does not cure, and any once it is stopped", async () => {
  for (const [kind, stopped] of [
    ["precondition", signal],
    ["unavailable", AbortSignal.abort()],
  ] as const) {
    let attempts = 0;
    const call = async () => {
      attempts += 1;
      throw failure(kind);
    };
    await assert.rejects(retrying(stopped, call), { kind });
    assert.equal(attempts, 1, kind);
  }
});
