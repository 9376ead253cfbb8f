import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Launched } from "@shoal/launcher";
import { repositoryRoot } from "@shoal/services";
import { type FaultRule, until } from "@shoal/testkit";
import { newPlace, type Place, startStack } from "./stack.ts";

/** One turn of what befalls an instance of order and one of inventory. */
interface Turn {
  readonly what: string;
  /** What the demo has said when it begins; it lasts until the next one. */
  readonly from: RegExp;
  readonly rules: readonly FaultRule[];
  /** Ends it so long after it has struck, in milliseconds: nothing may go on while it lasts. */
  readonly lastsMs?: number;
}

const slowed = [{ fault: { latencyMs: 300, jitterMs: 200 } }] as const;
const blackHole = [{ fault: { blackHole: true } }] as const;
/** Failures are too few for an instance to be left alone: then nothing would strike in the next turn. */
const turns: readonly Turn[] = [
  { what: "slowed", from: /^Run /m, rules: slowed },
  {
    what: "failed",
    from: /placing +[2-9]0 %/,
    rules: [{ share: 0.2, fault: { code: "UNAVAILABLE" } }],
  },
  {
    what: "failed with the work done",
    from: /placing +[4-9]0 %/,
    rules: [{ share: 0.2, fault: { code: "UNAVAILABLE", afterwards: true } }],
  },
  {
    what: "reset",
    from: /placing +[6-9]0 %/,
    rules: [
      { share: 0.1, fault: { reset: "connection" } },
      { share: 0.2, fault: { reset: "stream" } },
    ],
  },
  { what: "black hole", from: /placing +[89]0 %/, rules: blackHole, lastsMs: 3_000 },
  { what: "slowed again", from: /settling +[1-9]0 %/, rules: slowed },
  {
    what: "reset with the work done",
    from: /settling +[2-9]0 %/,
    rules: [{ share: 0.2, fault: { reset: "connection", afterwards: true } }],
  },
  { what: "calls in a black hole", from: /settling +[3-9]0 %/, rules: [{ method: "*", fault: { blackHole: true } }] },
];

test("stock adds up while instances are slowed, failed, reset, cut off and killed in turn", async (t) => {
  const place = await newPlace(t);
  const { launched } = await startStack(t, place, {
    faults: true,
    scale: new Map([
      ["order", 2],
      ["inventory", 2],
    ]),
  });
  const victims = ["order-2", "inventory-2"].map((name) => victim(launched, name));
  const befall = (rules: readonly FaultRule[]) => Promise.all(victims.map((one) => one.befall(rules)));
  const struck = () => Promise.all(victims.map((one) => one.struck()));
  // Else the demo is over before the turns are, and the calls go to those that answer faster than the victims do.
  await victim(launched, "order").befall([{ fault: { latencyMs: 250 } }]);
  await victim(launched, "inventory").befall([{ fault: { latencyMs: 50 } }]);
  const demo = startDemo(t, launched, place, 1_000);
  for (const { what, from, rules, lastsMs } of turns) {
    await demo.untilSaid(from);
    // What the turn before strikes is none of this one's.
    await befall([]);
    const before = await struck();
    await befall(rules);
    const now = await demo.whileItRuns(`something is ${what}`, async () => {
      const counts = await struck();
      return sum(counts) > sum(before) && counts;
    });
    t.diagnostic(`${what}: at first ${now.map((count, at) => count - (before[at] ?? 0)).join(" and ")} struck`);
    if (lastsMs === undefined) continue;
    await sleep(lastsMs);
    await befall([]);
  }
  await demo.untilSaid(/settling +[4-9]0 %/);
  for (const { name } of victims) process.kill(launched.service(name).pid, "SIGKILL");
  const code = await demo.ended;
  await befall([]);
  assert.equal(code, 0, demo.said());
  assert.match(demo.said(), /^stock adds up$/m);
  assert.match(demo.said(), /invariants, all hold/);
  for (const { name, struck } of victims) assert.ok((await struck()) > 0, `nothing befell ${name}`);
  await Promise.all(victims.map(({ name }) => launched.restart(name)));
});

function sum(counts: readonly number[]): number {
  return counts.reduce((one, other) => one + other, 0);
}

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

/** `npm run demo`, with the instances of the registry, and their databases. */
function startDemo(t: TestContext, { registryUrl }: Launched, { databases }: Place, orders: number) {
  const child = spawn(process.execPath, [join(repositoryRoot, "tools/demo/src/main.ts"), "--orders", String(orders)], {
    env: {
      ...process.env,
      NO_COLOR: "1",
      SHOAL_DEMO_REGISTRY: registryUrl,
      SHOAL_ORDER_DATABASE_URL: databases.order,
      SHOAL_INVENTORY_DATABASE_URL: databases.inventory,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  t.after(() => child.kill("SIGKILL"));
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (said += data));
  const ended = once(child, "close").then(([code]) => code as number | null);
  /** Waits until `probe` answers something; fails when the demo ends before. */
  const whileItRuns = <T>(what: string, probe: () => Promise<T | false> | T | false) =>
    Promise.race([
      until(what, probe, 60_000),
      ended.then((code) => assert.fail(`the demo ended with ${code} before ${what}:\n${said}`)),
    ]);
  return {
    said: () => said,
    ended,
    whileItRuns,
    untilSaid: (what: RegExp) => whileItRuns(`it said ${what}`, () => what.test(said)),
  };
}
