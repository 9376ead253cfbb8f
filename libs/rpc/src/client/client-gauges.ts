import type { BalancerState, EndpointState } from "@shoal/discovery";
import type { CircuitState, RetryBudget } from "@shoal/resilience";
import type { Metrics } from "@shoal/telemetry";

/** What a client is at, to be read at any time. */
export interface ClientState {
  readonly budget: Pick<RetryBudget, "tokens">;
  /** `undefined` before the first call, and where grpc-js itself chooses. */
  readonly balancer: BalancerState | undefined;
  breakers(): Iterable<BreakerState>;
}

/** The circuit breakers of a method. */
export interface BreakerState {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** One for each instance that it was called on. */
  readonly kinds: readonly CircuitState["kind"][];
}

const breakerKinds = ["closed", "half-open", "open"] as const;
const endpointStates = ["ready", "connecting", "ejected"] as const;

/** Has the state of a client of `target` read whenever somebody looks at the metrics, until what it answers is called. */
export function watchClient(metrics: Metrics, target: string, state: ClientState): () => void {
  const ofTarget = { "grpc.target": target };
  const ends = [
    metrics.gauge(
      {
        name: "shoal.rpc.client.breakers",
        unit: "{breaker}",
        description: "Circuit breakers, one for each instance that a method was called on, by state.",
      },
      (observe) => {
        for (const { path, kinds } of state.breakers()) {
          const labels = { ...ofTarget, "rpc.method": path.slice(1) };
          // So that what is not there reads as none, and not as unknown.
          for (const other of breakerKinds) observe(0, { ...labels, state: other });
          for (const kind of kinds) observe(1, { ...labels, state: kind });
        }
      },
    ),
    metrics.gauge(
      {
        name: "shoal.rpc.client.retry_budget.tokens",
        unit: "{token}",
        description: "What is left of the budget for retries and hedges: with half of its most or less none are made.",
      },
      (observe) => observe(state.budget.tokens, ofTarget),
    ),
    metrics.gauge(
      {
        name: "shoal.rpc.client.endpoints",
        unit: "{instance}",
        description: "Instances that calls are spread over: connected, being connected to, or ejected.",
      },
      (observe) => {
        for (const each of endpointStates) observe(0, { ...ofTarget, state: each });
        for (const endpoint of state.balancer?.endpoints ?? []) observe(1, { ...ofTarget, state: stateOf(endpoint) });
      },
    ),
    metrics.gauge(
      { name: "shoal.rpc.client.connections", unit: "{connection}", description: "HTTP/2 connections to instances." },
      (observe) => {
        observe(0, ofTarget);
        for (const { connections } of state.balancer?.endpoints ?? []) observe(connections, ofTarget);
      },
    ),
    metrics.gauge(
      {
        name: "shoal.rpc.client.waiting_calls",
        unit: "{call}",
        description: "Calls that wait for room on the connections to instances.",
      },
      (observe) => observe(state.balancer?.waiting ?? 0, ofTarget),
    ),
  ];
  return () => {
    for (const end of ends) end();
  };
}

function stateOf({ ready, isEjected }: EndpointState): (typeof endpointStates)[number] {
  if (!ready) return "connecting";
  return isEjected ? "ejected" : "ready";
}
