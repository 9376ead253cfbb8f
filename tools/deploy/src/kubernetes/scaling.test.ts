import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { repositoryRoot } from "@shoal/services";
import type { IHorizontalPodAutoscaler } from "kubernetes-models/autoscaling/v2";
import type { IPodDisruptionBudget } from "kubernetes-models/policy/v1";
import { parse } from "yaml";
import { find, selected, serving } from "./fixture-written.ts";

test("a service scales by its processor time, and by a metric that the adapter makes of one that services have", () => {
  const { rules } = parse(
    readFileSync(join(repositoryRoot, "deploy/kubernetes/prometheus/adapter-values.yaml"), "utf8"),
  );
  const [{ seriesQuery, name: made }] = rules.custom;
  const [series] = /^\w+(?=_count\{)/.exec(seriesQuery) ?? assert.fail(seriesQuery);
  assert.ok(readFileSync(join(repositoryRoot, "docs/observability.md"), "utf8").includes(`\`${series}\``));
  for (const { of, container } of serving) {
    const { scaleTargetRef, metrics } =
      find<IHorizontalPodAutoscaler>("HorizontalPodAutoscaler", of).spec ?? assert.fail();
    assert.deepEqual(scaleTargetRef, { apiVersion: "apps/v1", kind: "Deployment", name: of });
    const asked = metrics?.map(({ resource, pods }) => resource?.name ?? pods?.metric.name);
    assert.deepEqual(asked, ["cpu", made.as]);
    assert.ok(container.resources?.requests?.["cpu"] !== undefined, "what the utilization is a share of");
  }
});

test("of a service's instances one at a time may be taken away", () => {
  for (const { of } of serving) {
    const { maxUnavailable, selector } = find<IPodDisruptionBudget>("PodDisruptionBudget", of).spec ?? assert.fail();
    assert.equal(maxUnavailable, 1);
    assert.deepEqual(selected(selector?.matchLabels), [of]);
  }
});
