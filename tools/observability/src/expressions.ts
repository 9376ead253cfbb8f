import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { files } from "./files.ts";

/** Something that is asked of Prometheus, and by what. */
export interface Expression {
  /** A panel, a rule or an alert, in words. */
  readonly of: string;
  readonly text: string;
}

/** A rule or an alert as Prometheus reads it. */
export interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A dashboard as Grafana reads it, as far as it matters here. */
export interface GrafanaDashboard {
  readonly title: string;
  readonly panels: readonly GrafanaPanel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly multi?: boolean }[] };
}

export interface GrafanaPanel {
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly {
    readonly refId: string;
    readonly expr: string;
    readonly datasource: { readonly type: string };
  }[];
}

/** The dashboards in deploy/observability, by file. */
export function readDashboards(): ReadonlyMap<string, GrafanaDashboard> {
  const names = globSync("*.json", { cwd: files.dashboards }).sort();
  return new Map(names.map((name) => [name, JSON.parse(readFileSync(join(files.dashboards, name), "utf8"))]));
}

/** What stands for Grafana's variables: all there is where several may be chosen. */
export interface Chosen {
  /** Where only one may be. */
  readonly service: string;
  /** A duration, such as `1h`. */
  readonly range: string;
  readonly rateInterval: string;
}

/** What the panels ask Prometheus, several queries of a panel side by side. */
export function panelExpressions(dashboard: GrafanaDashboard, chosen: Chosen): readonly Expression[] {
  const values = new Map([
    ["service", chosen.service],
    ["__range", chosen.range],
    ["__rate_interval", chosen.rateInterval],
  ]);
  for (const { name, multi } of dashboard.templating.list) if (multi) values.set(name, ".+");
  return dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets
      .filter(({ datasource }) => datasource.type === "prometheus")
      .map(({ refId, expr }) => ({
        of: `${dashboard.title} › ${title}${targets.length > 1 ? ` (${refId})` : ""}`,
        text: expr.replaceAll(/\$(\w+)/g, (variable, name) => values.get(name) ?? variable),
      })),
  );
}

/** All rules and alerts, by file and group. */
export function readRules(): readonly Rule[] {
  return files.rules.flatMap((file) => {
    const { groups } = parse(readFileSync(file, "utf8")) as { groups: readonly { rules: readonly Rule[] }[] };
    return groups.flatMap(({ rules }) => rules);
  });
}

/** What the rules and alerts ask. */
export function ruleExpressions(rules: readonly Rule[]): readonly Expression[] {
  return rules.map(({ alert, record, expr }) => ({
    of: alert === undefined ? `rule ${record}` : `alert ${alert}`,
    text: expr,
  }));
}
