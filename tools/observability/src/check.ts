import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { stringify } from "yaml";
import { promtool } from "./binaries.ts";
import { panelExpressions, readDashboards, readRules, ruleExpressions } from "./expressions.ts";
import { files } from "./files.ts";
import { Prometheus, type Series, wholeConfig } from "./prometheus.ts";
import { namesIn } from "./promql.ts";
import { type System, startSystem } from "./system.ts";
import { breakUsers, makeRound, openShop, watch } from "./traffic.ts";

/** How the check tells what it does. */
export type Say = (line: string) => void;

/** What is the matter, a line each; nothing when all is well. */
export type Problems = readonly string[];

/** How long calls are made, in milliseconds: long enough for holds to run out, and for rates over ten seconds. */
const trafficMs = 30_000;
/** What befalls the inventory in turn, and for how long, in milliseconds. In the end it has to get well again. */
const troubles = [
  { instances: [], ms: 5_000 },
  // There are retries, breakers open, and the instance is left out.
  { instances: ["inventory-2"], ms: 8_000 },
  // Orders fail.
  { instances: ["inventory", "inventory-2"], ms: 4_000 },
] as const;

/** Has promtool look at the configuration, of which it needs a copy in the folder `home`, and the rules, and run the rules' tests. */
export function checkFiles(home: string, say: Say): Problems {
  const config = join(home, "prometheus.yml");
  writeFileSync(config, stringify(wholeConfig()));
  const checks = [
    ["check", "config", config],
    ["check", "rules", ...files.rules],
    ["test", "rules", files.ruleTests],
  ];
  return checks.flatMap((args) => {
    const { ok, output } = promtool(...args);
    say(`promtool ${args.slice(0, 2).join(" ")}: ${ok ? "ok" : "failed"}`);
    return ok ? [] : [output];
  });
}

/**
 * Starts all services and a Prometheus in the folder `home`, makes calls, good and bad, and asks what every panel, rule and
 * alert asks. Each must be taken, and each panel must have something to show. Which series alerts look at that are not there, for
 * nothing of the kind has happened, is told.
 */
export async function checkQueries(home: string, say: Say): Promise<Problems> {
  say("starting the services, with two instances of the inventory");
  await using system = await startSystem(home, new Map([["inventory", 2]]));
  await using prometheus = await Prometheus.start(home, system.launched.services);
  const began = Date.now() / 1_000;
  say(`making calls for ${trafficMs / 1_000} seconds, some of which fail`);
  await makeTraffic(system);
  // Prometheus looks once more.
  await sleep(2_000);

  return [...(await checkPanels(prometheus, began, say)), ...(await checkRules(prometheus, say))];
}

async function makeTraffic(system: System): Promise<void> {
  const shop = await openShop(system);
  const watching = new AbortController();
  const watched = watch(system, shop, watching.signal);
  const began = performance.now();
  const unwell = (async () => {
    for (const { instances, ms } of troubles) {
      for (const instance of instances) await system.setFaults(instance, [{ fault: { code: "UNAVAILABLE" } }]);
      await sleep(ms);
      for (const instance of instances) await system.setFaults(instance, []);
    }
    await breakUsers(system, shop);
  })();
  while (performance.now() - began < trafficMs) {
    await makeRound(system, shop);
    await sleep(200);
  }
  await unwell;
  watching.abort();
  await watched;
}

async function checkPanels(prometheus: Prometheus, began: number, say: Say): Promise<Problems> {
  const problems: string[] = [];
  const zeros: string[] = [];
  const chosen = { service: "order", range: "1m", rateInterval: "10s" };
  for (const [file, dashboard] of readDashboards()) {
    const expressions = panelExpressions(dashboard, chosen);
    let shown = 0;
    for (const { of, text } of expressions) {
      const series = await prometheus.queryRange(text, began).catch((error: Error) => error);
      if (series instanceof Error) problems.push(`${of}: ${series.message}: ${text}`);
      else if (!hasValue(series)) problems.push(`${of} is empty: ${text}`);
      else shown += 1;
      const without = text.replaceAll(zero, "");
      if (series instanceof Error || without === text) continue;
      if (!hasValue(await prometheus.queryRange(without, began))) zeros.push(of);
    }
    say(`${file}: ${shown} of ${expressions.length} queries have something to show`);
  }
  tell("only zero, as nothing of it has happened here:", zeros, say);
  return problems;
}

/** How queries show zero until something happens. */
const zero = / or (?:vector\(0\)|on \(service\) 0 \* sum by \(service\) \(up\{[^}]*\}\))/g;

async function checkRules(prometheus: Prometheus, say: Say): Promise<Problems> {
  const states = await prometheus.rules();
  const problems = states.flatMap(({ name, health, lastError }) =>
    health === "ok" ? [] : [`rule ${name}: ${lastError ?? health}`],
  );
  const rules = readRules();
  if (states.length !== rules.length) problems.push(`Prometheus has ${states.length} of ${rules.length} rules`);
  const unseen = new Set<string>();
  for (const { of, text } of ruleExpressions(rules))
    for (const selector of namesIn(text).selectors)
      if ((await prometheus.query(`count(${selector.text})`)).length === 0) unseen.add(`${of}: ${selector.text}`);
  const alerts = states.flatMap(({ name, state }) => (state === undefined ? [] : [{ name, state }]));
  const active = alerts.filter(({ state }) => state !== "inactive").map(({ name, state }) => `${name} (${state})`);
  say(
    `${states.length - alerts.length} rules and ${alerts.length} alerts are evaluated; active: ${active.join(", ") || "none"}`,
  );
  tell("rules ask for what has not happened here:", [...unseen], say);
  return problems;
}

function hasValue(series: readonly Series[]): boolean {
  return series.some(({ values }) => values.some((value) => !Number.isNaN(value)));
}

function tell(what: string, lines: readonly string[], say: Say): void {
  if (lines.length === 0) return;
  say(what);
  for (const line of lines) say(`  ${line}`);
}
