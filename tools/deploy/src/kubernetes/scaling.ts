import type { ServiceSpec } from "@shoal/services";

/** The metric that tells how much an instance is asked for, as deploy/kubernetes/prometheus/adapter-values.yaml defines it. */
export const callsPerSecond = "rpc_server_calls_per_second";

/** Says how many instances of a service there are: as many as the busier of the two measures asks for. */
export function autoscaler({ name }: ServiceSpec): string {
  return `\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: ${name}
  labels: { app.kubernetes.io/name: ${name} }
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: ${name} }
  minReplicas: 2
  maxReplicas: 10
  metrics:
    # Of what is requested, half a core: an instance then has the rest of its core for bursts.
    - type: Resource
      resource:
        name: cpu
        target: { type: Utilization, averageUtilization: 70 }
    # Of each instance, from the Prometheus adapter. For those whose calls wait rather than compute; measure, and set your own.
    - type: Pods
      pods:
        metric: { name: ${callsPerSecond} }
        target: { type: AverageValue, averageValue: "300" }
  behavior:
    # Up at once, and twice as many at most; down one by one, after five quiet minutes.
    scaleUp:
      stabilizationWindowSeconds: 0
      policies:
        - { type: Percent, value: 100, periodSeconds: 30 }
    scaleDown:
      stabilizationWindowSeconds: 300
      policies:
        - { type: Pods, value: 1, periodSeconds: 60 }
`;
}

/** Keeps drained nodes from taking more than one instance of a service at a time. */
export function disruptionBudget({ name }: ServiceSpec): string {
  return `\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: ${name}
  labels: { app.kubernetes.io/name: ${name} }
spec:
  maxUnavailable: 1
  # Those that do not start keep no node from being drained.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: { app.kubernetes.io/name: ${name} }
`;
}
