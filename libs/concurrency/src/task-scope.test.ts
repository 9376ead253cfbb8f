import assert from "node:assert/strict";
import { test } from "node:test";
import { type CallContext, createContext, currentContext, runWithContext } from "@shoal/kernel";
import { VirtualClock } from "@shoal/testkit";
import { tasksAtWork } from "./at-work.ts";
import { ClosedError, QueueFullError } from "./refusals.ts";
import { TaskScope, withTaskScope } from "./task-scope.ts";

const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));

test("joins when every child has finished, those that children have spawned included", async () => {
  const scope = new TaskScope();
  const finished: string[] = [];
  const child = scope.spawn(async () => {
    void scope.spawn(async () => {
      await new Promise(setImmediate);
      finished.push("grandchild");
    });
    finished.push("child");
    return 7;
  });
  await scope.join();
  assert.deepEqual([finished, await child], [["child", "grandchild"], 7]);
});

test("the first failure aborts the other children, and is what join rejects with once they have ended", async () => {
  const scope = new TaskScope();
  let cleanedUp = false;
  void scope.spawn(async (signal) => {
    await untilAborted(signal).catch(() => {});
    await new Promise(setImmediate);
    cleanedUp = true;
    throw new Error("while cleaning up");
  });
  void scope.spawn(() => Promise.reject(new Error("first")));
  await assert.rejects(scope.join(), /first/);
  assert.equal(cleanedUp, true);
  assert.deepEqual(
    scope.failures.map((error) => (error as Error).message),
    ["first", "while cleaning up"],
  );
});

test("children that end because they were aborted are no failures", async () => {
  const scope = new TaskScope();
  void scope.spawn(untilAborted);
  void scope.spawn(async (signal) => {
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    throw new DOMException("The operation was aborted", "AbortError");
  });
  void scope.spawn(() => Promise.reject(new Error("first")));
  await assert.rejects(scope.join(), /first/);
  assert.equal(scope.failures.length, 1);
});

test("a child that throws at once fails as one that fails later", async () => {
  const scope = new TaskScope();
  const child = scope.spawn(() => {
    throw new Error("at once");
  });
  await assert.rejects(child, /at once/);
  await assert.rejects(scope.join(), /at once/);
});

test("takes no child in once it has been aborted, or joined", async () => {
  const aborted = new TaskScope();
  void aborted.spawn(() => Promise.reject(new Error("broken")));
  await assert.rejects(aborted.join(), /broken/);
  await assert.rejects(
    aborted.spawn(() => assert.fail("it was started")),
    /broken/,
  );
  const joined = new TaskScope();
  await joined.join();
  await assert.rejects(
    joined.spawn(() => assert.fail("it was started")),
    ClosedError,
  );
});

test("takes no more children in than may be at work", async () => {
  await using scope = new TaskScope({ maxChildren: 1 });
  void scope.spawn(untilAborted);
  await assert.rejects(
    scope.spawn(() => assert.fail("it was started")),
    QueueFullError,
  );
  assert.equal(scope.signal.aborted, false);
});

test("shutting down answers how many children did not finish in time", async () => {
  const clock = new VirtualClock();
  const scope = new TaskScope({ timers: clock });
  void scope.spawn(untilAborted);
  const stuck = Promise.withResolvers<void>();
  void scope.spawn(() => stuck.promise);
  const joined = assert.rejects(scope.join(), ClosedError);
  const left = scope.shutdown(1_000);
  await clock.advance(999);
  assert.equal(scope.running, 1);
  await clock.advance(1);
  assert.equal(await left, 1);
  await joined;
  stuck.resolve();
  await clock.advance(0);
  assert.deepEqual([await scope.shutdown(0), scope.running, clock.pending], [0, 0, 0]);
});

test("leaving the block ends the children that are still at work", async () => {
  const ended: string[] = [];
  const body = async () => {
    await using scope = new TaskScope();
    void scope.spawn((signal) => untilAborted(signal).finally(() => ended.push("child")));
    throw new Error("body");
  };
  await assert.rejects(body(), /body/);
  assert.deepEqual(ended, ["child"]);
});

test("a parent's signal, and that of the call being served, abort the scope with their reasons", async () => {
  const call = new AbortController();
  const parent = new AbortController();
  const context = createContext({ requestId: "test", signal: call.signal });
  const scopes = runWithContext(context, () => [
    new TaskScope(),
    new TaskScope({ signal: parent.signal }),
    new TaskScope({ signal: null }),
  ]);
  call.abort(new Error("caller gone"));
  assert.deepEqual(
    scopes.map(({ signal }) => signal.aborted),
    [true, true, false],
  );
  await assert.rejects((scopes[0] as TaskScope).join(), /caller gone/);
  parent.abort(new Error("too late"));
  await assert.rejects((scopes[1] as TaskScope).join(), /caller gone/);
  await assert.rejects(new TaskScope({ signal: parent.signal }).join(), /too late/);
});

test("children keep the call's context, with the scope's signal for all that they call", async () => {
  const plain = createContext({ requestId: "the call", priority: "critical", baggage: new Map([["tenant", "a"]]) });
  /** As a server's: what few ask for is read when it is. */
  class Served implements CallContext {
    readonly deadline = plain.deadline;
    readonly signal = plain.signal;
    readonly identity = plain.identity;
    get requestId() {
      return plain.requestId;
    }
    get priority() {
      return plain.priority;
    }
    get baggage() {
      return plain.baggage;
    }
    get traceparent() {
      return plain.traceparent;
    }
    get idempotencyKey() {
      return plain.idempotencyKey;
    }
  }
  for (const context of [plain, new Served()])
    await runWithContext(context, async () => {
      const scope = new TaskScope();
      await scope.spawn((signal) => assert.deepEqual(currentContext(), { ...plain, signal }));
      await scope.join();
      assert.equal(currentContext(), context);
    });
});

test("a body answers when all that it spawned has finished, and fails with the first failure of any", async () => {
  let finished = false;
  const answer = await withTaskScope((scope) => {
    void scope.spawn(async () => {
      await new Promise(setImmediate);
      finished = true;
    });
    return "done";
  });
  assert.deepEqual([answer, finished], ["done", true]);
  const failing = withTaskScope(async (scope) => {
    void scope.spawn(() => Promise.reject(new Error("child")));
    await untilAborted(scope.signal);
  });
  await assert.rejects(failing, /child/);
  let ended = false;
  const failingBody = withTaskScope((scope) => {
    void scope.spawn((signal) => untilAborted(signal).finally(() => (ended = true)));
    throw new Error("body");
  });
  await assert.rejects(failingBody, /body/);
  assert.equal(ended, true);
});

test("refuses options out of range", async () => {
  assert.throws(() => new TaskScope({ maxChildren: 0 }), /maxChildren must be/);
  await assert.rejects(new TaskScope().shutdown(-1), /graceMs must be/);
});

test("what is at work is reported by scope with its age, until it ends", async () => {
  const scope = new TaskScope({ name: "shipping" });
  const gate = Promise.withResolvers<void>();
  void scope.spawn(() => gate.promise);
  void scope.spawn(() => gate.promise);
  const found = () => tasksAtWork().find((report) => report.scope === "shipping");
  assert.equal(found()?.agesMs.length, 2);
  assert.ok(found()?.agesMs.every((ageMs) => ageMs >= 0 && ageMs < 60_000));
  gate.resolve();
  await scope.join();
  assert.equal(found(), undefined);
});
