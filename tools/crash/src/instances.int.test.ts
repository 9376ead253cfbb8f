import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { UserService } from "@shoal/contracts/user/v1/user_service";
import type { AppError } from "@shoal/kernel";
import { anyPorts } from "@shoal/launcher";
import { createClient } from "@shoal/rpc";
import { services } from "@shoal/services";
import { temporaryDirectory, until } from "@shoal/testkit";
import { isFault } from "./failure.ts";
import { Instances, type InstancesOptions } from "./instances.ts";

/** Makes all starts but the first twice as fast. */
const compiled = await mkdtemp(join(tmpdir(), "shoal-compiled-"));
after(() => rm(compiled, { recursive: true, force: true }));

test("an instance that is told to end, or crashes where it should, is no failure", async (t) => {
  const { instances, visited } = await start(t);
  await instances.kill("user", t.signal);
  await instances.kill("user", t.signal);
  await instances.revive("user", t.signal);
  await visited(() => instances.crashAt("user", "before-reply", 2, t.signal));
  await visited(() => instances.crashAt("user", "before-reply", 2, t.signal));
  await instances.revive("user", t.signal);
  assert.deepEqual(instances.failures, []);
});

test("an instance that ends by itself is a failure, also with exit code 0 or by a signal", async (t) => {
  const { instances, pid } = await start(t);
  process.kill(pid(), "SIGTERM");
  await until("it is noted", () => instances.failures.length === 1);
  await instances.revive("user", t.signal);
  process.kill(pid(), "SIGKILL");
  await until("it is noted", () => instances.failures.length === 2);
  assert.match(instances.failures[0] ?? "", /^user ended by itself, with exit code 0/);
  assert.match(instances.failures[1] ?? "", /^user ended by itself, by SIGKILL/);
});

test("an instance that dies elsewhere than at its crash point is a failure, and is started for it again", async (t) => {
  const { instances, pid } = await start(t);
  const stop = new AbortController();
  const first = pid();
  const crashing = assert.rejects(instances.crashAt("user", "before-publish", 1, stop.signal), /enough/);
  const armed = await until("it is armed", () => pid() !== first && pid());
  process.kill(armed, "SIGKILL");
  await until("it is armed again", () => pid() !== armed);
  stop.abort(new Error("enough"));
  await crashing;
  assert.equal(instances.failures.length, 1, String(instances.failures));
  assert.match(instances.failures[0] ?? "", /^user ended by itself, by SIGKILL/);
});

test("what a service has answered with INTERNAL is a failure, with why", async (t) => {
  const { instances, createUser, home } = await start(t);
  using database = new DatabaseSync(join(home, "data/user.db"));
  database.exec("drop table users");
  await assert.rejects(createUser(), (error: AppError) => isFault(error));
  await until("it is noted", () => instances.failures.length > 0);
  assert.match(instances.failures.join("; "), /^user: a call failed unexpectedly: .*no such table/);
});

test("an instance that does not end when it is told to is named", async (t) => {
  const { instances, pid } = await start(t, { stopTimeoutMs: 100 });
  process.kill(pid(), "SIGSTOP");
  const crashing = instances.crashAt("user", "before-publish", 1, t.signal);
  await assert.rejects(crashing, /^Error: user has not ended within 100 ms of SIGTERM$/);
  process.kill(pid(), "SIGKILL");
});

test("an instance may start just after its time; one that does not start is named with why", async (t) => {
  const { instances, breakEntry } = await start(t, { startTimeoutMs: 1 });
  await instances.kill("user", t.signal);
  await instances.revive("user", t.signal);
  await instances.kill("user", t.signal);
  breakEntry();
  await assert.rejects(instances.revive("user", t.signal), (error: Error) => {
    assert.match(error.message, /^user does not start/);
    assert.match(String(error.cause), /user could not start: exit code 1/);
    return true;
  });
});

test("nothing is ended, started or waited for when the run is over", async (t) => {
  const { instances, pid } = await start(t);
  const over = AbortSignal.abort(new Error("over"));
  await assert.rejects(instances.kill("user", over), /over/);
  await assert.rejects(instances.crashAt("user", "before-publish", 1, over), /over/);
  process.kill(pid(), 0);
  await instances.kill("user", t.signal);
  await assert.rejects(instances.revive("user", over), /over/);
});

/** The user service as the one instance there is, on an embedded database; it ends with the test. */
async function start(t: TestContext, options: Partial<InstancesOptions> = {}) {
  const user = services.find(({ name }) => name === "user") ?? assert.fail("there is no user service");
  let { entry } = user;
  const home = await temporaryDirectory(t);
  const instances = new Instances(options);
  const launched = await instances.launch({
    services: [Object.defineProperty({ ...user }, "entry", { get: () => entry })],
    home,
    env: { ...process.env, ...anyPorts, SHOAL_USER_LOG_LEVEL: "warn", NODE_COMPILE_CACHE: compiled },
  });
  t.after(() => launched.stop());
  const users = createClient(UserService, {
    address: launched.service("user").grpcAddress,
    policies: { "/shoal.user.v1.UserService/CreateUser": { breaker: undefined } },
    channelOptions: { "grpc.max_reconnect_backoff_ms": 100 },
  });
  t.after(() => users[Symbol.dispose]());
  let visitors = 0;
  const createUser = async () => {
    visitors += 1;
    await users.createUser({ email: `visitor-${visitors}@example.com`, displayName: "Visitor" });
  };
  return {
    instances,
    home,
    createUser,
    pid: () => launched.service("user").pid,
    breakEntry: () => {
      entry = `${home}/none.ts`;
    },
    /** Has users created until `work` has finished, which needs calls to come to its point. */
    visited: async (work: () => Promise<void>) => {
      let working = true;
      const worked = work().finally(() => {
        working = false;
      });
      while (working) {
        await createUser().catch(() => {});
        await sleep(10);
      }
      await worked;
    },
  };
}
