import type { Services } from "@shoal/services";

/** What Kubernetes must know of every service. */
export function kubernetesFiles(_services: Services): ReadonlyMap<string, string> {
  return new Map();
}
