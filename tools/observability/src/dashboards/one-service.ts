import type { Dashboard } from "./dashboard.ts";
import { exploreLogs, exploreTraces } from "./links.ts";
import { failed, join, orZero, quantile, quantiles, rate, served, unary } from "./queries.ts";
import { instances, service } from "./variables.ts";

const at = 'service="$service", instance=~"$instance"';

export const oneService: Dashboard = {
  name: "service",
  title: "Shoal: one service",
  says: "What one service is asked for, what it asks of others, and how its processes are.",
  variables: [service, instances],
  links: [exploreTraces, exploreLogs],
  rows: [
    {
      title: "Calls that it answers",
      panels: [
        {
          kind: "lines",
          title: "Calls a second",
          says: "By method.",
          unit: "cps",
          queries: { "{{rpc_method}}": served("rpc_method", at) },
        },
        {
          kind: "lines",
          title: "Answers a second that are not OK",
          says: "By code. INTERNAL, UNAVAILABLE, UNKNOWN and DEADLINE_EXCEEDED are the service's own fault.",
          unit: "cps",
          queries: {
            "{{rpc_status_code}}": orZero(served("service, rpc_status_code", join('rpc_status_code!="OK"', at)), at),
          },
        },
        {
          kind: "lines",
          title: "Calls that fail",
          says: "By the service's own fault, of all its calls.",
          unit: "percentunit",
          limits: { bad: 0.001 },
          queries: { "{{service}}": `(${orZero(served("service", join(failed, at)), at)}) / ${served("service", at)}` },
        },
        {
          kind: "lines",
          title: "Calls take",
          says: "Half, 95 % and 99 % of the calls are answered sooner. Streams are not among them.",
          unit: "s",
          queries: quantiles("rpc_server_call_duration_seconds", join(unary, at)),
        },
        {
          kind: "lines",
          title: "Calls take (p99), by method",
          says: "Which method is slow.",
          unit: "s",
          queries: {
            "{{rpc_method}}": quantile(0.99, "rpc_method", "rpc_server_call_duration_seconds", join(unary, at)),
          },
        },
        {
          kind: "lines",
          title: "Calls at work",
          says: "Streams stay as long as their callers do. All else that rises and stays up is stuck.",
          unit: "short",
          queries: { "{{rpc_method}}": `sum by (rpc_method) (shoal_rpc_server_active_calls{${at}})` },
        },
      ],
    },
    {
      title: "Calls that it makes",
      panels: [
        {
          kind: "lines",
          title: "Calls a second",
          says: "By method, each with all its attempts. The user and inventory services make none.",
          unit: "cps",
          queries: { "{{rpc_method}}": rate("rpc_method", "rpc_client_call_duration_seconds_count", at) },
        },
        {
          kind: "lines",
          title: "That end with a failure",
          says: "By method and code, as the service saw it when all attempts had been made.",
          unit: "cps",
          queries: {
            "{{rpc_method}} {{rpc_status_code}}": orZero(
              rate(
                "service, rpc_method, rpc_status_code",
                "rpc_client_call_duration_seconds_count",
                join('rpc_status_code!="OK"', at),
              ),
              at,
            ),
          },
        },
        {
          kind: "lines",
          title: "They take (p99)",
          says: "With all attempts and pauses. What is slow here makes this service slow.",
          unit: "s",
          queries: { "{{rpc_method}}": quantile(0.99, "rpc_method", "rpc_client_call_duration_seconds", at) },
        },
      ],
    },
    {
      title: "Its processes",
      panels: [
        {
          kind: "lines",
          title: "Event loop is late (p99)",
          says: "While it is late nothing else of the instance goes on.",
          unit: "s",
          limits: { bad: 0.1 },
          queries: { "{{instance}}": `nodejs_eventloop_delay_p99_seconds{${at}}` },
        },
        {
          kind: "lines",
          title: "Event loop is busy",
          says: "Near 100 % the instance can take no more calls.",
          unit: "percentunit",
          limits: { bad: 0.9 },
          queries: { "{{instance}}": `nodejs_eventloop_utilization_ratio{${at}}` },
        },
        {
          kind: "lines",
          title: "Garbage is collected",
          says: "The part of the time that goes into it. More than a tenth: too little heap, or too much thrown away.",
          unit: "percentunit",
          limits: { bad: 0.1 },
          queries: { "{{instance}}": rate("instance", "v8js_gc_duration_seconds_sum", at) },
        },
        {
          kind: "lines",
          title: "Heap",
          says: "What is in use, and what there may be. One that only grows is a leak.",
          unit: "bytes",
          queries: {
            "{{instance}} in use": `sum by (instance) (v8js_memory_heap_used_bytes{${at}})`,
            "{{instance}} limit": `v8js_memory_heap_limit_bytes{${at}}`,
          },
        },
        {
          kind: "lines",
          title: "Memory",
          says: "What the process has of the system, buffers and code included.",
          unit: "bytes",
          queries: { "{{instance}}": `process_memory_usage_bytes{${at}}` },
        },
        {
          kind: "lines",
          title: "Processors in use",
          says: "By instance.",
          unit: "short",
          queries: { "{{instance}}": rate("instance", "process_cpu_time_seconds_total", at) },
        },
        {
          kind: "lines",
          title: "Tasks at work",
          says: "Background work by what it belongs to.",
          unit: "short",
          queries: {
            "{{service}} {{shoal_scope}}": orZero(`sum by (service, shoal_scope) (shoal_tasks_active{${at}})`, at),
          },
        },
        {
          kind: "lines",
          title: "Age of the oldest task",
          says: "One that only grows does not end.",
          unit: "s",
          queries: {
            "{{service}} {{shoal_scope}}": orZero(
              `max by (service, shoal_scope) (shoal_tasks_oldest_age_seconds{${at}})`,
              at,
            ),
          },
        },
        {
          kind: "lines",
          title: "Connections of callers",
          says: "Instances of a service should have about as many each.",
          unit: "short",
          queries: { "{{instance}}": `shoal_rpc_server_connections{${at}}` },
        },
      ],
    },
    {
      title: "Its log",
      panels: [
        {
          kind: "logs",
          title: "Warnings and worse",
          says: "The first failure of a kind says why; trace_id leads to its trace.",
          width: 24,
          query: '{service_name="$service"} | severity_text=~"warn|error|fatal"',
        },
      ],
    },
  ],
};
