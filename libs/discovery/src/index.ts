export { formatAddress, type HostAndPort, parseAddress } from "./address.ts";
export { Balancer } from "./balancing/balancer.ts";
export type { EjectionEvent } from "./balancing/ejection.ts";
export { Endpoint } from "./balancing/endpoint.ts";
export {
  type BalancingOptions,
  type BalancingPolicy,
  balancingPolicies,
  defaultBalancingOptions,
  defaultEjectionOptions,
  type EjectionOptions,
} from "./balancing/options.ts";
export type { PendingCall } from "./balancing/pending-call.ts";
export { type BelievingOptions, believing, defaultBelievingOptions } from "./believing.ts";
export { createDnsRegistry, type DnsRegistryOptions, defaultDnsRegistryOptions } from "./drivers/dns/dns-registry.ts";
export type { DnsTarget } from "./drivers/dns/dns-target.ts";
export type { EtcdTls } from "./drivers/etcd/etcd-gateway.ts";
export {
  createEtcdRegistry,
  defaultEtcdRegistryOptions,
  type EtcdRegistryOptions,
} from "./drivers/etcd/etcd-registry.ts";
export {
  createLocalRegistry,
  defaultLocalRegistryOptions,
  type LocalRegistryOptions,
} from "./drivers/local/local-registry.ts";
export {
  createLocalRegistryServer,
  type LocalRegistryServer,
  type LocalRegistryServerOptions,
} from "./drivers/local/local-registry-server.ts";
export { createStaticRegistry } from "./drivers/static/static-registry.ts";
export type { ProblemListener } from "./errors.ts";
export { type BalancerState, balancerStateOption, type EndpointState } from "./grpc/balancer-state.ts";
export { type BalancedCall, type CallGuard, setCallTraits } from "./grpc/call-traits.ts";
export { type ClientBalancing, clientBalancing, defaultClientBalancing } from "./grpc/client-balancing.ts";
export { ejectionListenerOption, loadBalancingConfig, registerLoadBalancer } from "./grpc/load-balancer.ts";
export { registerRegistryResolver, registryOption } from "./grpc/resolver.ts";
export { bareInstance, isServiceName, readInstance } from "./instance.ts";
export { defaultOpenRegistryOptions, type OpenRegistryOptions, openRegistry } from "./open-registry.ts";
export type { Instance, Registry, RegistryListener } from "./registry.ts";
export { parseRegistryUrl, type RegistryUrl } from "./registry-url.ts";
