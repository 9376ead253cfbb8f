import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gateway, repositoryRoot, type ServiceSpec } from "@shoal/services";
import type { INetworkPolicy } from "kubernetes-models/networking.k8s.io/v1";
import { parse } from "yaml";
import { all, files, manifests } from "./kubernetes/fixture-written.ts";
import { type Manifest, readManifests } from "./kubernetes/manifest.ts";
import { schemaProblems } from "./kubernetes/schema-problems.ts";
import { kubernetesFiles } from "./kubernetes.ts";

const folder = "deploy/kubernetes";
const root = join(repositoryRoot, folder);

test("Kubernetes' schemas have nothing against what is written, nor against what stands beside it", async () => {
  const beside = globSync("*.yaml", { cwd: root }).filter((file) => file !== "kustomization.yaml");
  assert.deepEqual(beside.toSorted(), ["grpc-route.example.yaml", "namespace.yaml", "network-policies.yaml"]);
  const others = beside.flatMap((file) => readManifests(readFileSync(join(root, file), "utf8")));
  for (const manifest of [...manifests, ...others])
    assert.deepEqual(await schemaProblems(manifest), [], `${manifest.kind} ${manifest.metadata.name}`);
});

test("every service has all it needs, in a file that the kustomization lists", () => {
  const always = ["ServiceAccount", "Service", "Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget"];
  for (const { name, storage } of all) {
    const of = ({ kind, metadata }: Manifest) => `${kind} ${metadata.name}`;
    const migration = [`Job ${name}-migration`, `NetworkPolicy ${name}-migration`];
    assert.deepEqual(readManifests(files.get(`${folder}/services/${name}.yaml`) ?? "").map(of), [
      ...always.map((kind) => `${kind} ${name}`),
      `NetworkPolicy ${name}`,
      ...(storage === "sql" ? migration : []),
    ]);
  }
  const { resources } = parse(files.get(`${folder}/services/kustomization.yaml`) ?? "");
  assert.deepEqual(resources, all.map(({ name }) => `${name}.yaml`).sort());
  assert.equal(files.size, all.length + 1);
});

test("a service that is added is written like the others, and its callers may call it", () => {
  const added: ServiceSpec = { name: "stock", entry: "", grpcPort: 50_060, calls: [], storage: "none" };
  const caller: ServiceSpec = { ...added, name: "shop", grpcPort: 50_061, calls: ["stock"] };
  const written = kubernetesFiles({ services: [added, caller], gateway: { ...gateway, calls: ["stock", "shop"] } });
  const names = [...written.keys()].map((path) => path.replace(/.*\//, ""));
  assert.deepEqual(names, ["stock.yaml", "shop.yaml", "gateway.yaml", "kustomization.yaml"]);
  const text = written.get(`${folder}/services/stock.yaml`) ?? "";
  assert.doesNotMatch(text, /DATABASE|MIGRATIONS|REGISTRY|3306/);
  const { spec } = readManifests(text).find(({ kind }) => kind === "NetworkPolicy") as INetworkPolicy;
  const callers = spec?.ingress?.[0]?.from?.map(({ podSelector }) => podSelector?.matchLabels);
  assert.deepEqual(callers, [{ "app.kubernetes.io/name": "shop" }, { "app.kubernetes.io/name": "gateway" }]);
});

const kubectl = spawnSync("kubectl", ["version", "--client"], { timeout: 20_000 }).status === 0;

test("kustomize builds all of it", { skip: kubectl ? false : "there is no kubectl here" }, async () => {
  const built = spawnSync("kubectl", ["kustomize", root], { encoding: "utf8", timeout: 60_000 });
  assert.equal(built.status, 0, built.stderr);
  const objects = readManifests(built.stdout);
  assert.ok(objects.length > manifests.length);
  for (const manifest of objects) assert.deepEqual(await schemaProblems(manifest), []);
});
