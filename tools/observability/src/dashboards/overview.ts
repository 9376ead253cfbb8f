import type { Dashboard } from "./dashboard.ts";
import { failed, orZero, quantile, rate, served, unary } from "./queries.ts";

export const overview: Dashboard = {
  name: "overview",
  title: "Shoal: overview",
  says: "Whether all is well, and where to look when it is not.",
  variables: [],
  rows: [
    {
      title: "Is all well?",
      panels: [
        {
          kind: "figures",
          title: "Instances",
          says: "So many of each service answer Prometheus. With none left its calls fail.",
          unit: "short",
          limits: { bad: 1, below: true },
          queries: { "{{service}}": 'sum by (service) (up{job="shoal"})' },
        },
        {
          kind: "figures",
          title: "Alerts that fire",
          says: "What each asks of you stands in docs/observability.md.",
          unit: "short",
          limits: { warn: 1, bad: 3 },
          queries: {
            page: 'count(ALERTS{alertstate="firing", severity="page"}) or vector(0)',
            ticket: 'count(ALERTS{alertstate="firing", severity="ticket"}) or vector(0)',
          },
        },
        {
          kind: "figures",
          title: "Error budget left",
          says: "Of the 0.1 % of calls that may fail in 30 days. Below zero the promise is broken.",
          unit: "percentunit",
          limits: { warn: 0.5, bad: 0.1, below: true },
          queries: { "{{service}}": "1 - service:rpc_errors:ratio30d / 0.001" },
        },
      ],
    },
    {
      title: "Calls",
      panels: [
        {
          kind: "lines",
          title: "Calls a second",
          says: "How much each service is asked for. One that gets nothing any more may be unreachable.",
          unit: "cps",
          queries: { "{{service}}": served("service", "") },
        },
        {
          kind: "lines",
          title: "Calls that fail",
          says: "By the service's own fault. More than 0.1 % for long breaks the promise.",
          unit: "percentunit",
          limits: { bad: 0.001 },
          queries: { "{{service}}": `(${orZero(served("service", failed))}) / ${served("service", "")}` },
        },
        {
          kind: "lines",
          title: "Calls take (p99)",
          says: "One call in a hundred takes longer. Streams are not among them.",
          unit: "s",
          limits: { bad: 0.5 },
          queries: { "{{service}}": quantile(0.99, "service", "rpc_server_call_duration_seconds", unary) },
        },
      ],
    },
    {
      title: "Work",
      panels: [
        {
          kind: "lines",
          title: "Orders a second",
          says: "What the shop lives on: placed, confirmed, cancelled, expired, and refused for good.",
          unit: "cps",
          queries: { "{{outcome}}": rate("outcome", "shoal_orders_total", "") },
        },
        {
          kind: "lines",
          title: "Events wait for",
          says: "How far publishing is behind. Who watches sees news so late.",
          unit: "s",
          limits: { bad: 30 },
          queries: { "{{service}}": "max by (service) (shoal_outbox_lag_seconds)" },
        },
        {
          kind: "lines",
          title: "Held back a second",
          says: "Calls and attempts that breakers, budgets, bulkheads and load shedders refused.",
          unit: "cps",
          queries: {
            "{{service}} {{by}}": orZero(rate("service, by", "shoal_resilience_events_total", 'type="refused"')),
          },
        },
      ],
    },
    {
      title: "Room that is left",
      panels: [
        {
          kind: "lines",
          title: "Event loops are busy",
          says: "The busiest instance of each service. At 100 % calls wait for each other.",
          unit: "percentunit",
          limits: { bad: 0.9 },
          width: 6,
          queries: { "{{service}}": "max by (service) (nodejs_eventloop_utilization_ratio)" },
        },
        {
          kind: "lines",
          title: "Heap in use",
          says: "Of what it may grow to, in the fullest instance. At 100 % the process ends.",
          unit: "percentunit",
          limits: { bad: 0.9 },
          width: 6,
          queries: {
            "{{service}}":
              "max by (service) (sum by (service, instance) (v8js_memory_heap_used_bytes) / on (service, instance) v8js_memory_heap_limit_bytes)",
          },
        },
        {
          kind: "lines",
          title: "Processors in use",
          says: "All instances of a service together. One process hardly ever uses more than one.",
          unit: "short",
          width: 6,
          queries: { "{{service}}": rate("service", "process_cpu_time_seconds_total", "") },
        },
        {
          kind: "lines",
          title: "Database connections in use",
          says: "Of those that there may be. At 100 % calls wait for one.",
          unit: "percentunit",
          limits: { bad: 0.9 },
          width: 6,
          queries: {
            "{{service}}":
              'sum by (service) (db_client_connection_count{db_client_connection_state="used"}) / sum by (service) (db_client_connection_max)',
          },
        },
      ],
    },
  ],
};
