import assert from "node:assert/strict";
import { test } from "node:test";
import { readSettings } from "@shoal/config";
import { defaultDnsRegistryOptions, parseRegistryUrl } from "@shoal/discovery";
import { addressSetting, databaseSettings, serviceSettings } from "@shoal/runtime";
import type { IContainer } from "kubernetes-models/v1";
import { deploymentOf, pods, selected, serving } from "./fixture-written.ts";

test("a service's Deployment owns its pods, and no others", () => {
  for (const { service, of, spec } of serving) {
    const { selector, replicas } = deploymentOf(service);
    assert.deepEqual(selected(selector.matchLabels), [of]);
    for (const { labelSelector } of spec.topologySpreadConstraints ?? [])
      assert.deepEqual(selected(labelSelector?.matchLabels), [of]);
    assert.equal(replicas, undefined, "the autoscaler says how many there are, not each release anew");
  }
});

test("ports and probes are where the service listens", () => {
  for (const { service, container, annotations } of serving) {
    const { grpcPort } = service;
    const ports = Object.fromEntries((container.ports ?? []).map((port) => [port.name, port.containerPort]));
    assert.deepEqual(ports, { grpc: grpcPort, admin: grpcPort + 1_000 });
    for (const probe of [container.startupProbe, container.readinessProbe, container.livenessProbe])
      assert.deepEqual(probe?.grpc, { port: grpcPort });
    assert.equal(annotations["prometheus.io/port"], String(ports["admin"]));
  }
});

test("each process is given settings that it has, with values that it takes", () => {
  for (const { service, of, container } of pods) {
    const { name, grpcPort, storage, calls } = service;
    const declared = {
      ...serviceSettings(name, grpcPort),
      ...(storage === "sql" && databaseSettings(name)),
      ...Object.fromEntries(calls.map((callee) => [`address of ${callee}`, addressSetting(name, callee)])),
    };
    const prefix = `SHOAL_${name.toUpperCase()}_`;
    const settings: Record<string, unknown> = readSettings(prefix, declared, environment(container));
    const { host, registry, databaseUrl, migrations } = settings;
    if (of === name) {
      assert.equal(host, "0.0.0.0");
      if (storage === "sql")
        assert.deepEqual([databaseUrl, migrations], [secretUrl(`${name}-database`, "url"), "require"]);
      if (calls.length === 0) assert.equal(registry, "none");
      else
        assert.deepEqual(dnsTarget(registry), { records: "srv", name: "_grpc._tcp.{service}.shoal.svc.cluster.local" });
    } else assert.deepEqual([databaseUrl, migrations], [secretUrl(`${name}-database`, "migration-url"), "only"]);
  }
});

/** As Kubernetes makes it in the namespace `shoal`. */
function environment({ env = [] }: IContainer): Record<string, string> {
  const made: Record<string, string> = {};
  for (const { name, value, valueFrom } of env) {
    const { secretKeyRef, fieldRef } = valueFrom ?? {};
    const field = fieldRef && (fieldRef.fieldPath === "metadata.namespace" ? "shoal" : fieldRef.fieldPath);
    const text = field ?? (secretKeyRef ? secretUrl(secretKeyRef.name, secretKeyRef.key) : value) ?? assert.fail(name);
    made[name] = text.replace(/\$\((\w+)\)/g, (_, other) => made[other] ?? assert.fail(`${name} needs ${other} first`));
  }
  return made;
}

function secretUrl(name: string | undefined, key: string): string {
  return `mysql://${key}@${name}/shoal`;
}

function dnsTarget(registry: unknown) {
  const url = parseRegistryUrl(String(registry));
  return url.driver === "dns" ? url.target : assert.fail(url.driver);
}

test("an instance has the time to leave DNS, and then to drain", () => {
  // As libs/runtime promises: all but calls ends within 5 s, and the last telemetry is sent within 2.
  const afterCallsSeconds = 5 + 2;
  const drainSeconds = serviceSettings("any", 1).drainTimeoutMs.schema.parse(undefined) / 1_000;
  // CoreDNS keeps an answer for 5 s, callers for a fifth longer than its TTL; and a change takes a second to get there.
  const leaveSeconds = 5 + (defaultDnsRegistryOptions.maxIntervalMs * 1.2) / 1_000 + 1;
  for (const { spec, container } of serving) {
    const sleep = container.lifecycle?.preStop?.sleep?.seconds ?? assert.fail();
    assert.ok(sleep >= leaveSeconds, `${sleep} s`);
    assert.ok(Number(spec.terminationGracePeriodSeconds) > sleep + drainSeconds + afterCallsSeconds);
  }
});

test("the pods are as the Pod Security Standard restricted has them, and write nothing but /tmp", () => {
  for (const { spec, container, service } of pods) {
    const { runAsNonRoot, runAsUser, seccompProfile } = spec.securityContext ?? {};
    assert.deepEqual([runAsNonRoot, runAsUser, seccompProfile?.type], [true, 1_000, "RuntimeDefault"]);
    assert.deepEqual(container.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    assert.equal(spec.serviceAccountName, service.name);
    assert.deepEqual([spec.automountServiceAccountToken, spec.enableServiceLinks], [false, false]);
    const [volume, ...more] = spec.volumes ?? [];
    assert.deepEqual(container.volumeMounts, [{ name: volume?.name, mountPath: "/tmp" }]);
    assert.ok(volume?.emptyDir?.sizeLimit !== undefined && more.length === 0);
  }
});
