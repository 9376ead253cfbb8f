import type { ServiceSpec } from "@shoal/services";
import { containerSecurity, databaseUrl, image, podSecurity, variable, volumes } from "./pod.ts";

/** An identity of its own, for those who grant by it. It may do nothing, and its token is given to no pod. */
export function serviceAccount({ name }: ServiceSpec): string {
  return `\
apiVersion: v1
kind: ServiceAccount
metadata:
  name: ${name}
  labels: { app.kubernetes.io/name: ${name} }
automountServiceAccountToken: false
`;
}

/** The instances of a service. How many there are is for its autoscaler to say. */
export function deployment(service: ServiceSpec): string {
  const { name, grpcPort } = service;
  return `\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${name}
  labels: { app.kubernetes.io/name: ${name} }
spec:
  # No replicas: how many there are is for the HorizontalPodAutoscaler to say.
  selector:
    matchLabels: { app.kubernetes.io/name: ${name} }
  strategy:
    rollingUpdate: { maxSurge: 1, maxUnavailable: 0 }
  template:
    metadata:
      labels: { app.kubernetes.io/name: ${name} }
      annotations:
        prometheus.io/scrape: "true"
        prometheus.io/port: "${grpcPort + 1_000}"
        prometheus.io/path: /metrics
    spec:
      serviceAccountName: ${name}
${podSecurity}\
      # Else a Service named shoal-${name} would add ${variable(service, "…")}, and the service refuses what it does not know.
      enableServiceLinks: false
      # preStop, then 10 s for calls to finish, 5 s for all else to end, 2 s for the last telemetry; and 6 s to spare.
      terminationGracePeriodSeconds: 35
      topologySpreadConstraints:
${spread(name, "topology.kubernetes.io/zone")}\
${spread(name, "kubernetes.io/hostname")}\
      containers:
        - name: ${name}
          image: ${image(service)}
          ports:
            - { name: grpc, containerPort: ${grpcPort} }
            - { name: admin, containerPort: ${grpcPort + 1_000} }
          env:
            - name: POD_NAMESPACE
              valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
            - name: POD_NAME
              valueFrom: { fieldRef: { fieldPath: metadata.name } }
            - name: OTEL_RESOURCE_ATTRIBUTES
              value: k8s.namespace.name=$(POD_NAMESPACE),k8s.pod.name=$(POD_NAME)
            # With the rest of the memory for what is no heap, a leak ends with V8's own message, not with a kill.
            - { name: NODE_OPTIONS, value: --max-old-space-size=320 }
            - { name: ${variable(service, "HOST")}, value: 0.0.0.0 }
${registry(service)}${database(service)}\
          envFrom:
            - configMapRef: { name: telemetry, optional: true }
          # The three ask the same: grpc.health.v1 tells whether this process takes calls, and nothing of its database or callees.
          startupProbe:
            grpc: { port: ${grpcPort} }
            periodSeconds: 2
            failureThreshold: 30
          readinessProbe:
            grpc: { port: ${grpcPort} }
            periodSeconds: 5
            timeoutSeconds: 3
            failureThreshold: 3
          # After a minute of silence: one that is busy, or writes a heap snapshot, is not to be killed.
          livenessProbe:
            grpc: { port: ${grpcPort} }
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          lifecycle:
            preStop:
              # Calls still come until callers have seen that it is gone from DNS: CoreDNS answers 5 s late at most, and callers
              # ask every 6 s at most; and a second until CoreDNS knows.
              sleep: { seconds: 12 }
          resources:
            # JavaScript runs on one core. There is no limit to that: who is throttled is late with every call.
            requests: { cpu: 500m, memory: 512Mi }
            limits: { memory: 512Mi }
${containerSecurity}${volumes}`;
}

/** Instances of one release evenly over zones, or hosts, where that can be had. */
function spread(name: string, topologyKey: string): string {
  return `\
        - topologyKey: ${topologyKey}
          maxSkew: 1
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: { app.kubernetes.io/name: ${name} }
          matchLabelKeys: [pod-template-hash]
`;
}

function registry(service: ServiceSpec): string {
  if (service.calls.length === 0) return "";
  return `\
            # Callees are found by the SRV records of their headless Services, which name each instance and its port.
            - name: ${variable(service, "REGISTRY")}
              value: dns://_grpc._tcp.{service}.$(POD_NAMESPACE).svc.cluster.local
`;
}

function database(service: ServiceSpec): string {
  if (service.storage === "none") return "";
  return `\
${databaseUrl(service, "url")}\
            # The Job ${service.name}-migration changes the schema, so this user need not be allowed to.
            - { name: ${variable(service, "MIGRATIONS")}, value: require }
`;
}
