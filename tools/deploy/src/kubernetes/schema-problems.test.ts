import assert from "node:assert/strict";
import { test } from "node:test";
import { readManifests } from "./manifest.ts";
import { schemaProblems } from "./schema-problems.ts";

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: order, labels: { any: label } }
spec:
  selector: { matchLabels: { any: label } }
  strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 25% } }
  template:
    metadata: { labels: { any: label } }
    spec:
      containers:
        - name: order
          image: shoal/order
          livenessProbe: { grpc: { port: 50053 } }
          resources: { requests: { cpu: 500m, memory: 512Mi } }
`;

async function problemsWith(from: string, to: string): Promise<readonly string[]> {
  const text = deployment.replace(from, to);
  assert.notEqual(text, deployment);
  const [manifest] = readManifests(text);
  return await schemaProblems(manifest ?? assert.fail());
}

test("what Kubernetes takes has no problems, whatever its labels are called", async () => {
  for (const manifest of readManifests(deployment)) assert.deepEqual(await schemaProblems(manifest), []);
});

for (const [what, from, to, expected] of [
  ["a misspelt field", "livenessProbe", "livenesProbe", /no field spec\.template\.spec\.containers\.0\.livenesProbe$/],
  ["a field at the wrong level", "  template:", "  enableServiceLinks: false\n  template:", /no field spec\.enableS/],
  ["a misspelt field at the top", "spec:", "sepc: {}\nspec:", /no field sepc/],
  ["a field of another type", "port: 50053", "port: grpc", /grpc\/port must be integer/],
  ["a field that is missing", "- name: order", "- workingDir: /", /containers\/0 must have required property name/],
  ["a quantity that is none", "512Mi", "512 MB", /must match format "quantity"/],
  ["a version that the kind is not in", "apps/v1", "apps/v7", /no Deployment in apps\/v7/],
  ["a kind that there is not", "Deployment", "Deploymant", /no Deploymant in apps\/v1/],
] as const)
  test(`${what} is a problem`, async () => {
    const problems = await problemsWith(from, to);
    assert.equal(problems.length, 1, problems.join("\n"));
    assert.match(problems[0] ?? "", expected);
  });

test("a key that is there twice is an error of the file", () => {
  assert.throws(() => readManifests(deployment.replace("spec:", "spec: {}\nspec:")), /unique/);
});
