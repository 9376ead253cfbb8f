import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Launched, repositoryRoot } from "@shoal/launcher";
import { type FaultRule, until } from "@shoal/testkit";
import { newPlace, startStack } from "./stack.ts";

/** One turn of what befalls an instance of order and one of inventory. */
interface Turn {
  readonly what: string;
  /** What the demo has said when it begins; it lasts until the next one. */
  readonly from: RegExp;
  readonly rules: readonly FaultRule[];
  /** Ends it before, in milliseconds: nothing may go on while it lasts. */
  readonly lastsMs?: number;
}

const slowed = [{ fault: { latencyMs: 300, jitterMs: 200 } }] as const;
const blackHole = [{ fault: { blackHole: true } }] as const;
const turns: readonly Turn[] = [
  { what: "slowed", from: /^Run /m, rules: slowed },
  {
    what: "failed",
    from: /placing +[2-9]0 %/,
    rules: [{ share: 0.5, fault: { code: "UNAVAILABLE" } }],
  },
  {
    what: "failed with the work done",
    from: /placing +[4-9]0 %/,
    rules: [{ share: 0.5, fault: { code: "UNAVAILABLE", afterwards: true } }],
  },
  {
    what: "reset",
    from: /placing +[6-9]0 %/,
    rules: [
      { share: 0.1, fault: { reset: "connection" } },
      { share: 0.3, fault: { reset: "stream" } },
    ],
  },
  { what: "black hole", from: /placing +[89]0 %/, rules: blackHole, lastsMs: 3_000 },
  { what: "slowed again", from: /settling +[1-9]0 %/, rules: slowed },
  {
    what: "reset with the work done",
    from: /settling +[3-9]0 %/,
    rules: [{ share: 0.2, fault: { reset: "connection", afterwards: true } }],
  },
  { what: "calls in a black hole", from: /settling +[5-9]0 %/, rules: [{ method: "*", fault: { blackHole: true } }] },
];

test("stock adds up while instances are slowed, failed, reset, cut off and killed in turn", async (t) => {
  const { launched } = await startStack(t, await newPlace(t), {
    faults: true,
    scale: new Map([
      ["order", 2],
      ["inventory", 2],
    ]),
  });
  const victims = ["order-2", "inventory-2"].map((name) => victim(launched, name));
  const demo = startDemo(t, launched, 400);
  for (const { what, from, rules, lastsMs } of turns) {
    await demo.untilSaid(from);
    await Promise.all(victims.map(({ befall }) => befall(rules)));
    if (lastsMs !== undefined) {
      await sleep(lastsMs);
      await Promise.all(victims.map(({ befall }) => befall([])));
    }
    const struck = await Promise.all(victims.map((one) => one.struck()));
    t.diagnostic(`${what}, after ${struck.join(" and ")} calls and connections struck`);
  }
  await demo.untilSaid(/settling +[89]0 %/);
  for (const { name } of victims) process.kill(launched.service(name).pid, "SIGKILL");
  const code = await demo.ended;
  await Promise.all(victims.map(({ befall }) => befall([])));
  assert.equal(code, 0, demo.said());
  assert.match(demo.said(), /^stock adds up$/m);
  // Else nothing is proved: of each kind of instance some calls were struck.
  for (const { name, struck } of victims) assert.ok((await struck()) > 0, `nothing befell ${name}`);
  await Promise.all(victims.map(({ name }) => launched.restart(name)));
});

/** An instance that has a fault proxy. */
function victim(launched: Launched, name: string) {
  const control = `http://${launched.faultControl(name)}`;
  return {
    name,
    befall: async (rules: readonly FaultRule[]) => {
      const response = await fetch(`${control}/faults`, { method: "PUT", body: JSON.stringify(rules) });
      assert.equal(response.status, 200, await response.text());
    },
    /** How many calls and connections faults have befallen. */
    struck: async () => (await (await fetch(`${control}/struck`)).json()) as number,
  };
}

/** `npm run demo`, with the instances of the registry. */
function startDemo(t: TestContext, { registryUrl }: Launched, orders: number) {
  const child = spawn(process.execPath, [join(repositoryRoot, "tools/demo/src/main.ts"), "--orders", String(orders)], {
    env: { ...process.env, NO_COLOR: "1", SHOAL_DEMO_REGISTRY: registryUrl },
    stdio: ["ignore", "pipe", "pipe"],
  });
  t.after(() => child.kill("SIGKILL"));
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (said += data));
  const ended = once(child, "close").then(([code]) => code as number | null);
  return {
    said: () => said,
    ended,
    /** Waits until it has said so, or has ended. */
    untilSaid: (what: RegExp) =>
      until(`${what} in the demo, which said:\n${said}`, () => what.test(said) || child.exitCode !== null, 60_000),
  };
}
