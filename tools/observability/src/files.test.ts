import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import { OrderService } from "@shoal/contracts/order/v1/order_service";
import { UserService } from "@shoal/contracts/user/v1/user_service";
import { parse } from "yaml";
import { dashboards } from "./dashboards/index.ts";
import { failed, streams } from "./dashboards/queries.ts";
import { readDashboards, readRules } from "./expressions.ts";
import { files } from "./files.ts";
import { grafanaJson } from "./grafana-json.ts";

/** A test of rules, as promtool takes it. */
interface RuleTest {
  readonly promql_expr_test?: readonly {
    readonly expr: string;
    readonly exp_samples?: readonly { readonly labels: string }[];
  }[];
  readonly alert_rule_test?: readonly { readonly alertname: string; readonly exp_alerts?: readonly unknown[] }[];
}

const read = (file: string) => readFileSync(file, "utf8");
const alerts = readRules().filter(({ alert }) => alert !== undefined);

test("the dashboards are those that are described here", () => {
  const made = dashboards.map((dashboard) => [`${dashboard.name}.json`, grafanaJson(dashboard)] as const);
  const kept = globSync("*", { cwd: files.dashboards }).map(
    (name) => [name, read(join(files.dashboards, name))] as const,
  );
  assert.ok(
    JSON.stringify(made.toSorted()) === JSON.stringify(kept.toSorted()),
    "they differ: node tools/observability/src/write-dashboards.ts writes them anew",
  );
});

test("every panel says what it shows and what that means, and none hides another", () => {
  for (const { title, panels } of readDashboards().values()) {
    const shown = panels.filter(({ type }) => type !== "row");
    assert.ok(shown.length > 0);
    for (const panel of shown) {
      assert.match(panel.title, /\S/, title);
      assert.match(panel.description ?? "", /^[A-Z\d].*[.!]$/, `${title} › ${panel.title}`);
    }
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)} ${y + Math.floor(cell / w)}`),
    );
    assert.equal(new Set(cells).size, cells.length, title);
  }
});

test("every alert says whom it wakes, what is the matter, and where it is told what to do", () => {
  const headings = read(files.guide)
    .split("\n")
    .filter((line) => line.startsWith("#"));
  for (const { alert = "", labels, annotations } of alerts) {
    assert.ok(["page", "ticket"].includes(labels?.["severity"] ?? ""), alert);
    assert.match(annotations?.["summary"] ?? "", /\S/, alert);
    assert.match(annotations?.["description"] ?? "", /\.$/, alert);
    assert.equal(annotations?.["runbook_url"], `docs/observability.md#${alert.toLowerCase()}`);
    assert.ok(headings.includes(`### ${alert}`), `docs/observability.md has no heading ${alert}`);
  }
});

test("every alert has a test in which it fires", () => {
  const { tests } = parse(read(files.ruleTests)) as { tests: readonly RuleTest[] };
  const expected = tests.flatMap(({ promql_expr_test = [], alert_rule_test = [] }) => [
    ...promql_expr_test.flatMap(({ expr, exp_samples = [] }) => exp_samples.map(({ labels }) => `${expr} ${labels}`)),
    ...alert_rule_test.filter(({ exp_alerts }) => (exp_alerts?.length ?? 0) > 0).map(({ alertname }) => alertname),
  ]);
  for (const { alert = "" } of alerts)
    assert.ok(
      expected.some((labels) => labels === alert || labels.includes(`alertname="${alert}"`)),
      `no test expects ${alert}`,
    );
});

test("dashboards and alerts mean the same by a failure", () => {
  const rules = readRules().filter(({ expr }) => expr.includes("rpc_status_code"));
  assert.ok(rules.length > 0 && rules.every(({ expr }) => expr.includes(failed)));
});

test("what counts as slow leaves out the streams of the contracts, and no other method", () => {
  const methods = [UserService, InventoryService, OrderService].flatMap(({ methods }) => methods);
  const names = methods.filter(({ methodKind }) => methodKind !== "unary").map(({ name }) => name);
  assert.deepEqual(streams.split("|"), names.toSorted());
  const rules = readRules().filter(({ expr }) => expr.includes("!~"));
  assert.deepEqual(
    rules.map(({ expr }) => expr.includes(`.*/(${streams})"`)),
    rules.map(() => true),
  );
});

test("Prometheus asks all services of the compose file, at their admin ports", () => {
  const { services } = parse(read(files.composeServices)) as {
    services: Record<string, { healthcheck?: { test?: string[] } }>;
  };
  const admin = Object.entries(services).flatMap(([name, { healthcheck }]) => {
    const [, port] = /127\.0\.0\.1:(\d+)\/readyz/.exec(healthcheck?.test?.join(" ") ?? "") ?? [];
    return port === undefined ? [] : [[name, Number(port)]];
  });
  const { scrape_configs } = parse(read(files.scrapeConfigs)) as {
    scrape_configs: { dns_sd_configs: { names: string[]; port: number }[] }[];
  };
  const asked = scrape_configs
    .flatMap(({ dns_sd_configs }) => dns_sd_configs)
    .map(({ names, port }) => [...names, port]);
  assert.ok(asked.length > 0);
  assert.deepEqual(asked, admin);
});

test("Prometheus and the compose file read what tells of the services", () => {
  const { scrape_config_files = [] } = parse(read(files.prometheus)) as { scrape_config_files?: string[] };
  assert.deepEqual(
    scrape_config_files.map((name) => join(files.prometheus, "..", name)),
    [files.scrapeConfigs],
  );
  const { include = [] } = parse(read(files.compose)) as { include?: string[] };
  assert.deepEqual(
    include.map((name) => join(files.compose, "..", name)),
    [files.composeServices],
  );
});

test("what the compose file mounts is there, and is YAML", () => {
  const compose = parse(read(files.compose)) as { services: Record<string, { volumes?: string[] }> };
  const mounted = Object.values(compose.services).flatMap(({ volumes = [] }) => volumes);
  const here = mounted.flatMap((volume) => /^\.\/(deploy\/observability[^:]*):/.exec(volume)?.[1] ?? []);
  assert.equal(here.length, 6);
  for (const path of here) {
    const from = join(files.compose, "..", path);
    const inside = path.endsWith(".yaml")
      ? [from]
      : globSync("*.{yml,json}", { cwd: from }).map((name) => join(from, name));
    assert.ok(inside.length > 0, path);
    for (const file of inside) assert.equal(typeof parse(read(file)), "object", file);
  }
});

test("the data sources that dashboards name are provisioned", () => {
  const { datasources } = parse(read(join(files.grafana, "datasources.yaml"))) as { datasources: { uid: string }[] };
  const known = datasources.map(({ uid }) => uid);
  for (const [, uid = ""] of [...readDashboards().values()].flatMap((dashboard) => [
    ...JSON.stringify(dashboard).matchAll(/"uid":"(?!shoal-)([^"]+)"/g),
  ]))
    assert.ok(known.includes(uid), uid);
});
