export { Balancer } from "../../../../libs/discovery/src/balancing/balancer.ts";
export { Endpoint } from "../../../../libs/discovery/src/balancing/endpoint.ts";
export {
  type BalancingOptions,
  type BalancingPolicy,
  balancingPolicies,
  defaultEjectionOptions,
} from "../../../../libs/discovery/src/balancing/options.ts";
export type { PendingCall } from "../../../../libs/discovery/src/balancing/pending-call.ts";
