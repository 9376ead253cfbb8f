import type { Link } from "./dashboard.ts";

/** What the service of the dashboard has logged in the time that is shown, in Grafana's Explore. */
export const exploreLogs: Link = {
  title: "Logs",
  url: explore("loki", { expr: `{service_name="${variable("service")}"}` }),
};

/** Its traces. */
export const exploreTraces: Link = {
  title: "Traces",
  url: explore("jaeger", { queryType: "search", service: variable("service") }),
};

/** Where Grafana puts what is chosen. */
function variable(name: string): string {
  return `\${${name}}`;
}

function explore(datasource: string, query: object): string {
  const range = { from: variable("__from"), to: variable("__to") };
  const panes = { a: { datasource, queries: [{ refId: "A", datasource: { uid: datasource }, ...query }], range } };
  const encoded = encodeURIComponent(JSON.stringify(panes));
  // Grafana finds its variables only as they are.
  return `/explore?schemaVersion=1&panes=${encoded.replaceAll(/%24%7B(\w+)%7D/g, (_, name) => variable(name))}`;
}
