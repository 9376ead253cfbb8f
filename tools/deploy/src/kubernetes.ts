import type { Services } from "@shoal/services";
import { deployment, serviceAccount } from "./kubernetes/deployment.ts";
import { migrationJob } from "./kubernetes/migration.ts";
import { clusterService, headlessService, migrationNetworkPolicy, networkPolicy } from "./kubernetes/network.ts";
import { autoscaler, disruptionBudget } from "./kubernetes/scaling.ts";

const folder = "deploy/kubernetes/services";

/** What Kubernetes must know of every service: a file each, and a list of them for kustomize. */
export function kubernetesFiles({ services, gateway }: Services): ReadonlyMap<string, string> {
  const all = [...services, gateway];
  const files = new Map<string, string>();
  for (const service of all) {
    const callers = all.filter(({ calls }) => calls.includes(service.name)).map(({ name }) => name);
    const callees = all.filter(({ name }) => service.calls.includes(name));
    const isDoor = service === gateway;
    const documents = [
      serviceAccount(service),
      isDoor ? clusterService(service) : headlessService(service),
      deployment(service),
      autoscaler(service),
      disruptionBudget(service),
      networkPolicy(service, isDoor ? "all" : callers, callees),
      ...(service.storage === "sql" ? [migrationJob(service), migrationNetworkPolicy(service)] : []),
    ];
    files.set(`${folder}/${service.name}.yaml`, written(`apps/${service.name}/package.json`) + documents.join("---\n"));
  }
  const names = all.map(({ name }) => `${name}.yaml`).sort();
  return files.set(`${folder}/kustomization.yaml`, kustomization(names));
}

function kustomization(files: readonly string[]): string {
  return `${written("apps/*/package.json")}apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
${files.map((file) => `  - ${file}\n`).join("")}`;
}

function written(from: string): string {
  return `# Written by \`npm run deploy\` from ${from}. What all services have in common is in tools/deploy/src/kubernetes.\n`;
}
