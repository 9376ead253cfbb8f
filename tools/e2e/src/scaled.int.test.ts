import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { repositoryRoot } from "@shoal/services";
import { temporaryDirectory, until } from "@shoal/testkit";
import { npmStart } from "./npm-start.ts";

test("three order and two inventory instances: one is killed and one restarted during the demo, which adds up", async (t) => {
  const home = await temporaryDirectory(t);
  const start = npmStart(t, home, { args: ["--scale", "order=3", "--scale", "inventory=2"] });
  await start.ready();
  const registry = /^The registry is (local:\/\/\S+)\./m.exec(start.output())?.[1] ?? assert.fail(start.output());
  const pidOf = (name: string) => {
    const row = new RegExp(`^${name} .* (\\d+)$`, "m").exec(start.output());
    return Number(row?.[1] ?? assert.fail(`${name} is not in:\n${start.output()}`));
  };

  const demo = spawn(process.execPath, [join(repositoryRoot, "tools/demo/src/main.ts"), "--orders", "500"], {
    env: { ...process.env, NO_COLOR: "1", SHOAL_HOME: home, SHOAL_DEMO_REGISTRY: registry },
    stdio: ["ignore", "pipe", "pipe"],
  });
  t.after(() => demo.kill("SIGKILL"));
  let said = "";
  for (const stream of [demo.stdout, demo.stderr]) stream.on("data", (data) => (said += data));
  const ended = once(demo, "close") as Promise<[number | null]>;
  const whileAt = async (progress: RegExp, act: () => void) => {
    await Promise.race([
      until(`${progress} in the demo, which said:\n${said}`, () => progress.test(said), 60_000),
      ended,
    ]);
    act();
  };
  await whileAt(/placing +\d0 %/, () => process.kill(pidOf("order-2"), "SIGKILL"));
  await whileAt(/placing +[3-9]0 %/, () => process.kill(pidOf("inventory"), "SIGTERM"));
  await whileAt(/settling +[2-9]0 %/, () => process.kill(pidOf("order-3"), "SIGKILL"));
  const [code] = await ended;
  assert.equal(code, 0, said);
  assert.match(said, /^stock adds up$/m);
  assert.match(said, /invariants, all hold/);
  await until(
    "all three are back",
    () => ["order-2", "order-3", "inventory"].every((name) => readyCount(name) === 2),
    30_000,
  );
  assert.equal(await start.interrupt(), 0);

  function readyCount(name: string): number {
    return start.output().match(new RegExp(`^${name} is ready on `, "gm"))?.length ?? 0;
  }
});
