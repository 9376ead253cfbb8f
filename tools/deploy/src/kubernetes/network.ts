import type { ServiceSpec } from "@shoal/services";

/** How others of Shoal find the instances of a service: all of them, not one address for all. */
export function headlessService(service: ServiceSpec): string {
  return `\
# Headless: DNS names every instance that is ready, and callers spread their calls over them themselves.
${serviceWith(service, "  clusterIP: None\n")}`;
}

/** How the gateway is reached: one address for all instances, as those from outside expect it. */
export function clusterService(service: ServiceSpec): string {
  return `\
# One address for all instances, for what stands between them and the world.
${serviceWith(service, "")}`;
}

function serviceWith({ name, grpcPort }: ServiceSpec, kind: string): string {
  return `\
apiVersion: v1
kind: Service
metadata:
  name: ${name}
  labels: { app.kubernetes.io/name: ${name} }
spec:
${kind}\
  selector: { app.kubernetes.io/name: ${name} }
  ports:
    - { name: grpc, protocol: TCP, port: ${grpcPort}, targetPort: grpc, appProtocol: kubernetes.io/h2c }
`;
}

/**
 * Lets in the calls of `callers` and who fetches metrics, and lets out the service's own calls, statements and telemetry. What
 * all pods need besides, DNS, is in deploy/kubernetes/network-policies.yaml, which forbids everything else.
 */
export function networkPolicy(
  { name, grpcPort, storage }: ServiceSpec,
  callers: readonly string[] | "all",
  callees: readonly ServiceSpec[],
): string {
  return `\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: ${name}
  labels: { app.kubernetes.io/name: ${name} }
spec:
  podSelector:
    matchLabels: { app.kubernetes.io/name: ${name} }
  policyTypes: [Ingress, Egress]
  ingress:
${callers === "all" ? fromAnywhere(grpcPort) : callers.length > 0 ? fromPods(callers, grpcPort) : ""}\
    - from:
        - namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: monitoring } }
      ports: [{ protocol: TCP, port: ${grpcPort + 1_000} }]
  egress:
${callees.map(toCallee).join("")}${storage === "sql" ? toDatabase : ""}\
    - to:
        - namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: monitoring } }
      ports: [{ protocol: TCP, port: 4317 }, { protocol: TCP, port: 4318 }]
`;
}

/** Lets the migrations reach the database, and nothing else. */
export function migrationNetworkPolicy({ name }: ServiceSpec): string {
  return `\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: ${name}-migration
  labels: { app.kubernetes.io/name: ${name}-migration }
spec:
  podSelector:
    matchLabels: { app.kubernetes.io/name: ${name}-migration }
  policyTypes: [Ingress, Egress]
  egress:
${toDatabase}`;
}

function fromAnywhere(port: number): string {
  return `\
    # From anywhere: this is the door.
    - ports: [{ protocol: TCP, port: ${port} }]
`;
}

function fromPods(names: readonly string[], port: number): string {
  const peers = names.map((name) => `        - podSelector: { matchLabels: { app.kubernetes.io/name: ${name} } }\n`);
  return `\
    - from:
${peers.join("")}\
      ports: [{ protocol: TCP, port: ${port} }]
`;
}

function toCallee({ name, grpcPort }: ServiceSpec): string {
  return `\
    - to:
        - podSelector: { matchLabels: { app.kubernetes.io/name: ${name} } }
      ports: [{ protocol: TCP, port: ${grpcPort} }]
`;
}

/** Where the database is, is known to whoever runs Shoal only. */
const toDatabase = `\
    # The database, wherever it is. Where you know its addresses, name them here with a patch.
    - ports: [{ protocol: TCP, port: 3306 }]
`;
