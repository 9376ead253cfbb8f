import type { Dashboard } from "./dashboard.ts";
import { join, orZero, quantile, quantiles, rate } from "./queries.ts";
import { services } from "./variables.ts";

const at = 'service=~"$service"';

export const database: Dashboard = {
  name: "database",
  title: "Shoal: database",
  says: "Statements, connections, batches and the outbox.",
  variables: [services],
  rows: [
    {
      title: "Statements",
      panels: [
        {
          kind: "lines",
          title: "Statements a second",
          says: "Transactions' BEGIN and COMMIT among them.",
          unit: "cps",
          queries: {
            "{{service}} {{db_operation_name}}": rate(
              "service, db_operation_name",
              "db_client_operation_duration_seconds_count",
              at,
            ),
          },
        },
        {
          kind: "lines",
          title: "Statements take",
          says: "Half, 95 % and 99 % of them are done sooner.",
          unit: "s",
          queries: quantiles("db_client_operation_duration_seconds", at),
        },
        {
          kind: "lines",
          title: "Statements that fail, a second",
          says: "By what the database called it. Deadlocks are tried again; lost connections are not.",
          unit: "cps",
          queries: {
            "{{service}} {{error_type}}": orZero(
              rate("service, error_type", "db_client_operation_duration_seconds_count", join('error_type!=""', at)),
              at,
            ),
          },
        },
        {
          kind: "lines",
          title: "Statements take (p99), by table",
          says: "Which table's locks or indexes to look at.",
          unit: "s",
          width: 12,
          queries: {
            "{{db_operation_name}} {{db_collection_name}}": quantile(
              0.99,
              "db_operation_name, db_collection_name",
              "db_client_operation_duration_seconds",
              join('db_collection_name!=""', at),
            ),
          },
        },
        {
          kind: "lines",
          title: "COMMIT takes",
          says: "What it costs to have something for good: the disk's time.",
          unit: "s",
          width: 12,
          queries: quantiles("db_client_operation_duration_seconds", join('db_operation_name="COMMIT"', at)),
        },
      ],
    },
    {
      title: "Connections",
      panels: [
        {
          kind: "lines",
          title: "Connections",
          says: "Used and idle, and how many there may be.",
          unit: "short",
          queries: {
            "{{service}} {{db_client_connection_state}}": `sum by (service, db_client_connection_state) (db_client_connection_count{${at}})`,
            "{{service}} limit": `sum by (service) (db_client_connection_max{${at}})`,
          },
        },
        {
          kind: "lines",
          title: "Calls that wait for a connection",
          says: "More than a few for long: statements are slow, or connections too few.",
          unit: "short",
          queries: { "{{service}}": `sum by (service) (db_client_connection_pending_requests{${at}})` },
        },
        {
          kind: "lines",
          title: "They wait for (p99)",
          says: "One call in a hundred waits longer for its connection.",
          unit: "s",
          limits: { bad: 0.1 },
          queries: { "{{service}}": quantile(0.99, "service", "db_client_connection_wait_time_seconds", at) },
        },
        {
          kind: "lines",
          title: "A connection is used for (p99)",
          says: "At a time. Long ones are transactions that wait for a lock, or for something they should not.",
          unit: "s",
          queries: { "{{service}}": quantile(0.99, "service", "db_client_connection_use_time_seconds", at) },
        },
        {
          kind: "lines",
          title: "Calls that got none in time, a second",
          says: "They were refused with DATABASE_BUSY.",
          unit: "cps",
          queries: { "{{service}}": rate("service", "db_client_connection_timeouts_total", at) },
        },
        {
          kind: "lines",
          title: "Events of connections a second",
          says: "Closed, refused, not opened, and leaked: kept too long by whoever took it.",
          unit: "cps",
          queries: {
            "{{service}} {{type}} {{reason}}": orZero(
              rate("service, type, reason", "shoal_db_connection_events_total", at),
              at,
            ),
          },
        },
      ],
    },
    {
      title: "Done together",
      panels: [
        {
          kind: "lines",
          title: "Callers in a batch",
          says: "On average. 1 when there is little to do; it grows with the load, and that keeps hot rows fast.",
          unit: "short",
          width: 6,
          queries: {
            "{{service}} {{shoal_batch_name}}": `${rate("service, shoal_batch_name", "shoal_batch_size_sum", at)} / ${rate("service, shoal_batch_name", "shoal_batch_size_count", at)}`,
          },
        },
        {
          kind: "lines",
          title: "They wait for their batch (p99)",
          says: "As long as the batch before takes.",
          unit: "s",
          width: 6,
          queries: {
            "{{service}} {{shoal_batch_name}}": quantile(
              0.99,
              "service, shoal_batch_name",
              "shoal_batch_wait_time_seconds",
              at,
            ),
          },
        },
        {
          kind: "lines",
          title: "Events published a second",
          says: "Each change that others may watch is one.",
          unit: "cps",
          width: 6,
          queries: { "{{service}}": rate("service", "shoal_outbox_published_total", at) },
        },
        {
          kind: "lines",
          title: "Events wait for",
          says: "Above zero for long: the relay fails, and the log says why.",
          unit: "s",
          limits: { bad: 30 },
          width: 6,
          queries: { "{{service}}": `max by (service) (shoal_outbox_lag_seconds{${at}})` },
        },
      ],
    },
  ],
};
