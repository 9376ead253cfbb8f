import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { startOtlpReceiver } from "@shoal/testkit";
import type { ReadyMessage } from "./run-service.ts";

/** A service that does what its environment tells it to. */
const program = `
  import { databaseSettings, runService, serviceSettings } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
  await runService({
    name: "fixture",
    build: async ({ lifecycle }) => {
      if (process.env.TEST_FAIL === "never") { console.log("building"); await new Promise((resolve) => setTimeout(resolve, 60_000)); }
      if (process.env.TEST_FAIL === "build") throw new Error("the disk is full");
      if (process.env.TEST_FAIL === "later") process.once("SIGUSR2", () => { throw new Error("a bug"); });
      lifecycle.onStop("part", () => console.log("part ended"));
      return { services: [] };
    },
  }, { ...serviceSettings("fixture", 0), ...databaseSettings("fixture") });
`;

function start(t: TestContext, env: Record<string, string> = {}) {
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", program], {
    cwd: import.meta.dirname,
    env: { ...process.env, SHOAL_FIXTURE_ADMIN_PORT: "0", ...env },
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  t.after(() => child.kill("SIGKILL"));
  const { stdout } = child;
  assert.ok(stdout);
  let output = "";
  stdout.on("data", (chunk) => {
    output += chunk;
  });
  const exited = once(child, "exit");
  const exit = async () => {
    // Not the child's "close" event: it does not come once the IPC channel has been closed from this side.
    const [[code]] = await Promise.all([exited, once(stdout, "close")]);
    return { code, output };
  };
  const ready = async (): Promise<ReadyMessage> => {
    const ended = exit().then(() => assert.fail(`it ended before it was ready:\n${output}`));
    const [message] = await Promise.race([once(child, "message"), ended]);
    return message;
  };
  return { child, ready, exit, stdout };
}

for (const signal of ["SIGTERM", "SIGINT"] as const)
  test(`${signal} ends the parts and then the process with code 0`, async (t) => {
    const { child, ready, exit } = start(t);
    const message = await ready();
    assert.equal(message.service, "fixture");
    assert.equal((await fetch(`http://127.0.0.1:${message.adminPort}/readyz`)).status, 200);
    child.kill(signal);
    const { code, output } = await exit();
    assert.equal(code, 0, output);
    assert.match(output, /part ended/);
  });

test("a service whose parent is gone stops", async (t) => {
  const { child, ready, exit } = start(t);
  await ready();
  child.disconnect();
  assert.equal((await exit()).code, 0);
});

test("SIGTERM ends a service that is still starting", async (t) => {
  const { child, exit, stdout } = start(t, { TEST_FAIL: "never" });
  await once(stdout, "data");
  child.kill("SIGTERM");
  const { code, output } = await exit();
  assert.equal(code, 0, output);
  assert.match(output, /stopped before it was ready/);
});

test("settings that cannot be used end the process with code 1 and a message that names them", async (t) => {
  const { code, output } = await start(t, {
    SHOAL_FIXTURE_GRPC_PORT: "many",
    SHOAL_FIXTURE_TYPO: "1",
    SHOAL_FIXTURE_DATABASE_URL: "pg://x",
  }).exit();
  assert.equal(code, 1);
  assert.match(output, /SHOAL_FIXTURE_GRPC_PORT: must be a whole number from 0 to 65535/);
  assert.match(output, /SHOAL_FIXTURE_DATABASE_URL: not a database URL/);
  assert.match(output, /SHOAL_FIXTURE_TYPO: there is no such setting/);
});

test("a service that cannot start says why and ends with code 1", async (t) => {
  const { code, output } = await start(t, { TEST_FAIL: "build" }).exit();
  assert.equal(code, 1);
  assert.match(output, /"level":"fatal".*"msg":"the disk is full"/);
});

test("an error that nobody caught ends the process with code 1 and is logged", async (t) => {
  const { child, ready, exit } = start(t, { TEST_FAIL: "later" });
  await ready();
  child.kill("SIGUSR2");
  const { code, output } = await exit();
  assert.equal(code, 1);
  assert.match(output, /"level":"fatal".*a bug/);
});

test("whatever ends a process, its last lines are sent to the collector", async (t) => {
  const collector = await startOtlpReceiver(t);
  // Nothing is sent before the end.
  const environment = { ...collector.environment, OTEL_BLRP_SCHEDULE_DELAY: "60000" };
  const sent = () => collector.logs.map(({ severityText, body }) => `${severityText}: ${body}`);
  assert.equal((await start(t, { ...environment, TEST_FAIL: "build" }).exit()).code, 1);
  const failed = ["fatal: the disk is full"];
  assert.deepEqual(sent(), failed);

  const buggy = start(t, { ...environment, TEST_FAIL: "later" });
  await buggy.ready();
  buggy.child.kill("SIGUSR2");
  assert.equal((await buggy.exit()).code, 1);
  const died = ["info: ready", "fatal: an error that nobody caught"];
  assert.deepEqual(sent(), [...failed, ...died]);

  const stopped = start(t, environment);
  await stopped.ready();
  stopped.child.kill("SIGTERM");
  assert.equal((await stopped.exit()).code, 0);
  assert.deepEqual(sent(), [...failed, ...died, "info: ready", "info: stopping", "info: stopped"]);
});

test("a collector that hangs holds up no end for long", async (t) => {
  const collector = await startOtlpReceiver(t);
  collector.behave("hang");
  const { child, ready, exit } = start(t, { ...collector.environment, TEST_FAIL: "later" });
  await ready();
  child.kill("SIGUSR2");
  const askedAt = performance.now();
  const { code, output } = await exit();
  assert.equal(code, 1);
  assert.match(output, /"level":"fatal".*a bug/);
  // An exporter would wait ten seconds for an answer.
  assert.ok(performance.now() - askedAt < 8_000);
  assert.ok(collector.requests > 0);
  assert.equal(collector.answered, 0);
});
