export * from "../../../../libs/discovery/src/balancing/balancer.ts";
export * from "../../../../libs/discovery/src/balancing/endpoint.ts";
export * from "../../../../libs/discovery/src/balancing/options.ts";
