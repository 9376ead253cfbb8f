import type { Dashboard } from "./dashboard.ts";
import { join, orZero, rate } from "./queries.ts";
import { services } from "./variables.ts";

const at = 'service=~"$service"';
const events = (by: string, type: string) =>
  orZero(rate(`service, ${by}`, "shoal_resilience_events_total", join(type, at)), at);

export const resilience: Dashboard = {
  name: "resilience",
  title: "Shoal: resilience",
  says: "What the services do about callees that are not well, and about having too much to do.",
  variables: [services],
  rows: [
    {
      title: "Breakers: is the callee well enough to be called?",
      panels: [
        {
          kind: "lines",
          title: "Breakers that are not closed",
          says: "One for each method and instance. Open: no calls go there; half-open: a few, to see.",
          unit: "short",
          queries: {
            "{{service}} → {{grpc_target}} {{state}}": `sum by (service, grpc_target, state) (shoal_rpc_client_breakers{${join('state!="closed"', at)}})`,
          },
        },
        {
          kind: "lines",
          title: "Changes a second",
          says: "One that opens again and again stands before a callee that does not get well.",
          unit: "cps",
          queries: { "{{service}} {{path}} {{to}}": events("path, to", 'type="breaker"') },
        },
        {
          kind: "lines",
          title: "Calls held back a second",
          says: "By a breaker; by the retry budget (a further attempt); by a bulkhead or full connections.",
          unit: "cps",
          queries: { "{{service}} {{by}}": events("by", 'type="refused", by!="shedder"') },
        },
      ],
    },
    {
      title: "Further attempts: is one more worth it?",
      panels: [
        {
          kind: "lines",
          title: "Retries and hedges a second",
          says: "Attempts after a failure, and beside one that is slow.",
          unit: "cps",
          queries: { "{{service}} {{type}}": events("type", 'type=~"retry|hedge"') },
        },
        {
          kind: "lines",
          title: "Attempts for each call",
          says: "1 where nothing is repeated. In the long run 1.1 at most.",
          unit: "short",
          queries: {
            "{{service}}": `${rate("service", "grpc_client_attempt_started_total", at)} / ${rate("service", "rpc_client_call_duration_seconds_count", at)}`,
          },
        },
        {
          kind: "lines",
          title: "Retry budget",
          says: "100 when full. At 50 or less there are no further attempts.",
          unit: "short",
          limits: { bad: 50, below: true },
          queries: {
            "{{service}} → {{grpc_target}}": `min by (service, grpc_target) (shoal_rpc_client_retry_budget_tokens{${at}})`,
          },
        },
      ],
    },
    {
      title: "Instances: which one gets a call?",
      panels: [
        {
          kind: "lines",
          title: "Instances that the registry knows",
          says: "As the service sees it that knows the fewest.",
          unit: "short",
          queries: {
            "{{shoal_discovery_service}}": `min by (shoal_discovery_service) (shoal_discovery_instances{${at}})`,
          },
        },
        {
          kind: "lines",
          title: "Instances that calls are spread over",
          says: "Ready; being connected to; ejected, because their calls fail while those of others do not.",
          unit: "short",
          queries: {
            "{{service}} → {{grpc_target}} {{state}}": `max by (service, grpc_target, state) (shoal_rpc_client_endpoints{${at}})`,
          },
        },
        {
          kind: "lines",
          title: "The registry could not say, a second",
          says: "Services go on with what they knew last.",
          unit: "cps",
          queries: {
            "{{service}} → {{shoal_discovery_service}}": rate(
              "service, shoal_discovery_service",
              "shoal_discovery_failures_total",
              at,
            ),
          },
        },
        {
          kind: "lines",
          title: "Connections to instances",
          says: "HTTP/2 connections of all instances of a service together.",
          unit: "short",
          queries: {
            "{{service}} → {{grpc_target}}": `sum by (service, grpc_target) (shoal_rpc_client_connections{${at}})`,
          },
        },
        {
          kind: "lines",
          title: "Calls that wait for a connection",
          says: "All connections are full. More than a few for long: the callees are too slow, or too few.",
          unit: "short",
          queries: {
            "{{service}} → {{grpc_target}}": `sum by (service, grpc_target) (shoal_rpc_client_waiting_calls{${at}})`,
          },
        },
        {
          kind: "lines",
          title: "Ejections and fallbacks a second",
          says: "Instances left out or taken back, and answers that stood in for a failure.",
          unit: "cps",
          queries: { "{{service}} {{type}} {{state}}": events("type, state", 'type=~"ejection|fallback"') },
        },
      ],
    },
    {
      title: "Overload: what is refused?",
      panels: [
        {
          kind: "lines",
          title: "Calls at work, and how many may be",
          says: "The load shedder's limit follows the load. What is at it is refused, the lowest priorities first.",
          unit: "short",
          queries: {
            "{{service}} limit": `sum by (service) (shoal_shedder_limit{${at}})`,
            "{{service}} at work": `sum by (service) (shoal_shedder_running_calls{${at}})`,
            "{{service}} waiting": `sum by (service) (shoal_shedder_waiting_calls{${at}})`,
          },
        },
        {
          kind: "lines",
          title: "Calls shed a second",
          says: "By priority. CRITICAL among them means that the service needs more instances at once.",
          unit: "cps",
          queries: { "{{service}} {{priority}}": events("priority", 'type="refused", by="shedder"') },
        },
        {
          kind: "lines",
          title: "RESOURCE_EXHAUSTED a second",
          says: "Calls over a rate limit, or that found something else full: the log says which.",
          unit: "cps",
          queries: {
            "{{service}} {{rpc_method}}": orZero(
              rate(
                "service, rpc_method",
                "rpc_server_call_duration_seconds_count",
                join('rpc_status_code="RESOURCE_EXHAUSTED"', at),
              ),
              at,
            ),
          },
        },
      ],
    },
  ],
};
