import type { Dashboard, MetricsPanel, Panel, Variable } from "./dashboards/dashboard.ts";

/** What all our dashboards have in common, to find them by. */
const tag = "shoal";
const prometheus = { type: "prometheus", uid: "prometheus" };
const loki = { type: "loki", uid: "loki" };

/** Grafana's columns. */
const columns = 24;
const heights: Readonly<Record<Panel["kind"], number>> = { lines: 8, figures: 4, logs: 10 };

/** A dashboard as the file that Grafana reads. What it says nothing of is as Grafana has it. */
export function grafanaJson({ name, title, says, variables, links = [], rows }: Dashboard): string {
  const panels: object[] = [];
  let y = 0;
  const place = (type: string, rest: object, box: object) =>
    panels.push({ id: panels.length + 1, type, gridPos: box, ...rest });
  for (const row of rows) {
    place("row", { title: row.title, panels: [] }, { x: 0, y, w: columns, h: 1 });
    y += 1;
    let [x, height] = [0, 0];
    for (const panel of row.panels) {
      const width = panel.width ?? 8;
      if (x + width > columns) [x, y, height] = [0, y + height, 0];
      const h = heights[panel.kind];
      const { type, ...rest } = panel.kind === "logs" ? logs(panel.query) : metrics(panel);
      place(type, { title: panel.title, description: panel.says, ...rest }, { x, y, w: width, h });
      x += width;
      height = Math.max(height, h);
    }
    y += height;
  }
  const link = { icon: "external link", tooltip: "", tags: [], asDropdown: false, includeVars: false, keepTime: false };
  const own = links.map(({ title, url }) => ({ ...link, type: "link", title, url, targetBlank: true }));
  const others = {
    ...link,
    type: "dashboards",
    title: "Other dashboards",
    tags: [tag],
    asDropdown: true,
    includeVars: true,
    keepTime: true,
    targetBlank: false,
  };
  const dashboard = {
    uid: `shoal-${name}`,
    title,
    description: says,
    tags: [tag],
    schemaVersion: 41,
    refresh: "10s",
    time: { from: "now-1h", to: "now" },
    // Of all lines at that time.
    graphTooltip: 1,
    links: [others, ...own],
    templating: { list: variables.map(grafanaVariable) },
    panels,
  };
  return `${JSON.stringify(dashboard, undefined, 2)}\n`;
}

function grafanaVariable({ name, label, of, many, first }: Variable): object {
  return {
    type: "query",
    name,
    label,
    datasource: prometheus,
    query: { query: of, refId: name },
    refresh: 2,
    sort: 1,
    ...(many && { multi: true, includeAll: true, allValue: ".+", current: { text: "All", value: "$__all" } }),
    ...(!many && first !== undefined && { current: { text: first, value: first } }),
  };
}

function logs(query: string) {
  return {
    type: "logs",
    datasource: loki,
    targets: [{ refId: "A", datasource: loki, expr: query }],
    options: { showTime: true, wrapLogMessage: true, enableLogDetails: true, sortOrder: "Descending" },
  };
}

function metrics({ kind, unit, queries, limits }: MetricsPanel) {
  const instant = kind === "figures";
  const targets = Object.entries(queries).map(([legend, expr], index) => ({
    refId: String.fromCharCode("A".charCodeAt(0) + index),
    datasource: prometheus,
    expr,
    legendFormat: legend,
    instant,
    range: !instant,
  }));
  const defaults = {
    unit,
    ...(unit !== "percentunit" && { min: 0 }),
    ...(limits && { thresholds: thresholds(limits) }),
    ...(instant && { color: { mode: "thresholds" } }),
    ...(!instant && limits && { custom: { thresholdsStyle: { mode: "dashed" } } }),
  };
  return {
    type: instant ? "stat" : "timeseries",
    datasource: prometheus,
    targets,
    fieldConfig: { defaults, overrides: [] },
    options: instant
      ? { reduceOptions: { calcs: ["lastNotNull"] }, textMode: "value_and_name" }
      : { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi", sort: "desc" } },
  };
}

/** The colours of figures, and the marks in graphs. */
function thresholds({ warn, bad, below }: NonNullable<MetricsPanel["limits"]>): object {
  const steps = below
    ? [
        { color: "red", value: null },
        ...(warn === undefined ? [] : [{ color: "orange", value: bad }]),
        { color: "green", value: warn ?? bad },
      ]
    : [
        { color: "green", value: null },
        ...(warn === undefined ? [] : [{ color: "orange", value: warn }]),
        { color: "red", value: bad },
      ];
  return { mode: "absolute", steps };
}
