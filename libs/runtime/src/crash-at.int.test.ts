import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Health } from "@shoal/contracts/grpc/health/v1/health";
import { createClient } from "@shoal/rpc";
import type { ReadyMessage } from "./run-service.ts";

const program = `
  import { runService, serviceSettings } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
  await runService({ name: "fixture", build: async () => ({ services: [] }) }, serviceSettings("fixture", 0));
`;

function start(t: TestContext, crashAt: string) {
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", program], {
    cwd: import.meta.dirname,
    env: { ...process.env, SHOAL_FIXTURE_ADMIN_PORT: "0", SHOAL_FIXTURE_CRASH_AT: crashAt },
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  t.after(() => child.kill("SIGKILL"));
  let output = "";
  child.stdout?.on("data", (chunk) => {
    output += chunk;
  });
  const ended = once(child, "close").then(([code, signal]) => ({ code, signal, output }));
  return { child, ended };
}

/** Makes calls until one fails; answers how many were answered. */
async function answered(t: TestContext, port: number): Promise<number> {
  const health = createClient(Health, { address: `127.0.0.1:${port}` });
  t.after(() => health[Symbol.dispose]());
  for (let calls = 0; calls < 100; calls += 1) {
    try {
      await health.check({});
    } catch {
      return calls;
    }
  }
  throw new Error("no call has failed");
}

for (const { crashAt, answers } of [
  { crashAt: "before-reply:3", answers: 2 },
  { crashAt: "after-reply:3", answers: 3 },
])
  test(`a process that is armed with ${crashAt} answers ${answers} calls, and kills itself`, async (t) => {
    const { child, ended } = start(t, crashAt);
    const [{ grpcPort }] = (await once(child, "message")) as [ReadyMessage];
    assert.equal(await answered(t, grpcPort), answers);
    const { signal, output } = await ended;
    assert.equal(signal, "SIGKILL");
    assert.match(output, /"level":"warn".*armed: /);
    assert.match(output, /"level":"fatal".*crash point (before|after)-reply is reached/);
  });

test("a crash point that there is not is refused at the start", async (t) => {
  const { code, output } = await start(t, "before-lunch").ended;
  assert.equal(code, 1);
  assert.match(output, /SHOAL_FIXTURE_CRASH_AT: must be none, or POINT or POINT:NTH with one of .*before-commit/);
});
