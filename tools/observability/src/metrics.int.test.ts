import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { temporaryDirectory, until } from "@shoal/testkit";
import { type Exposed, exposedIn } from "./exposed.ts";
import { panelExpressions, readDashboards, readRules, ruleExpressions } from "./expressions.ts";
import { namesIn } from "./promql.ts";
import { startSystem } from "./system.ts";
import { breakUsers, makeRound, openShop } from "./traffic.ts";

/** What Prometheus itself adds to each series, or makes of them. */
const prometheusLabels = ["service", "instance", "job"];
const prometheusMetrics = new Map([
  ["up", new Set<string>()],
  ["ALERTS", new Set(["alertname", "alertstate", "severity"])],
]);

/** What there is only after trouble that is not made here, or while something goes on that does not. */
const notHere: Exposed = new Map([
  ["shoal_resilience_events_total", new Set(["priority", "state"])],
  ["shoal_db_connection_events_total", new Set(["type", "reason"])],
  ["db_client_operation_duration_seconds_count", new Set(["error_type"])],
  ["shoal_tasks_active", new Set(["shoal_scope"])],
  ["shoal_tasks_oldest_age_seconds", new Set(["shoal_scope"])],
]);

test("what dashboards and alerts ask for is what running services tell", async (t) => {
  const exposed = await exposedByRunningServices(t);
  const rules = readRules();
  const recorded = new Map(rules.flatMap(({ record }) => (record === undefined ? [] : [[record, new Set<string>()]])));
  const labelsOf = (metric: string) => {
    const sources = [exposed, recorded, prometheusMetrics, notHere].flatMap((each) => each.get(metric) ?? []);
    return sources.length === 0 ? undefined : new Set([...prometheusLabels, ...sources.flatMap((each) => [...each])]);
  };
  const chosen = { service: "order", range: "1h", rateInterval: "1m" };
  const panels = [...readDashboards().values()].flatMap((dashboard) => panelExpressions(dashboard, chosen));
  const wrong: string[] = [];
  for (const { of, text } of [...panels, ...ruleExpressions(rules)]) {
    const { selectors, groupedBy } = namesIn(text);
    for (const { metric, labels } of selectors) {
      const known = labelsOf(metric);
      if (known === undefined) wrong.push(`${of}: there is no ${metric}`);
      else
        wrong.push(...labels.filter((label) => !known.has(label)).map((label) => `${of}: ${metric} has no ${label}`));
    }
    const any = new Set(selectors.flatMap(({ metric }) => [...(labelsOf(metric) ?? [])]));
    wrong.push(...groupedBy.filter((label) => !any.has(label)).map((label) => `${of}: nothing has a label ${label}`));
  }
  assert.deepEqual(wrong, []);
});

async function exposedByRunningServices(t: TestContext): Promise<Exposed> {
  await using system = await startSystem(await temporaryDirectory(t));
  const shop = await openShop(system);
  await makeRound(system, shop);
  await breakUsers(system, shop);
  let exposed: Exposed = new Map();
  await until("the open holds are counted", async () => {
    exposed = exposedIn(
      await Promise.all(
        system.launched.services.map(async ({ adminAddress }) =>
          (await fetch(`http://${adminAddress}/metrics`)).text(),
        ),
      ),
    );
    return exposed.has("shoal_inventory_open_holds");
  });
  return exposed;
}
