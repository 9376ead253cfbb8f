import assert from "node:assert/strict";
import { gateway, type ServiceSpec, services } from "@shoal/services";
import type { IDeployment, IDeploymentSpec } from "kubernetes-models/apps/v1";
import type { IJob } from "kubernetes-models/batch/v1";
import type { IContainer, IPodSpec, IPodTemplateSpec } from "kubernetes-models/v1";
import { kubernetesFiles } from "../kubernetes.ts";
import { type Manifest, readManifests } from "./manifest.ts";

/** All services of this repository, the gateway among them. */
export const all: readonly ServiceSpec[] = [...services, gateway];

/** What is written for them. */
export const files = kubernetesFiles({ services, gateway });

/** The objects of Kubernetes in there. */
export const manifests: readonly Manifest[] = [...files]
  .filter(([path]) => !path.endsWith("/kustomization.yaml"))
  .flatMap(([, text]) => readManifests(text));

/** The one object of that kind and name. */
export function find<T>(kind: string, name: string): T {
  const [found, ...more] = manifests.filter((each) => each.kind === kind && each.metadata.name === name);
  assert.ok(found !== undefined && more.length === 0, `${kind} ${name}`);
  return found as T;
}

/** The instances of a service. */
export function deploymentOf({ name }: ServiceSpec): IDeploymentSpec {
  return find<IDeployment>("Deployment", name).spec ?? assert.fail(name);
}

/** A kind of pod: of which service, the name of what makes it (the service's, or that of its migration), and how it is. */
export interface Pod {
  readonly service: ServiceSpec;
  readonly of: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: IPodSpec;
  readonly container: IContainer;
}

/** Those that serve. */
export const serving: readonly Pod[] = all.map((service) =>
  podOf(service, service.name, deploymentOf(service).template),
);

/** Those that bring databases up to date. */
export const migrating: readonly Pod[] = all
  .filter(({ storage }) => storage === "sql")
  .map((service) => {
    const of = `${service.name}-migration`;
    return podOf(service, of, find<IJob>("Job", of).spec?.template);
  });

/** All there are. */
export const pods: readonly Pod[] = [...serving, ...migrating];

/** The names of those with these labels. */
export function selected(labels: Readonly<Record<string, string>> | undefined): readonly string[] {
  const wanted = Object.entries(labels ?? assert.fail("selects by labels"));
  return pods.filter((pod) => wanted.every(([key, value]) => pod.labels[key] === value)).map(({ of }) => of);
}

function podOf(service: ServiceSpec, of: string, template: IPodTemplateSpec | undefined): Pod {
  const { metadata, spec } = template ?? assert.fail(of);
  const [container, ...more] = spec?.containers ?? [];
  assert.ok(spec !== undefined && container !== undefined && more.length === 0);
  return { service, of, labels: metadata?.labels ?? {}, annotations: metadata?.annotations ?? {}, spec, container };
}
