import assert from "node:assert/strict";
import { test } from "node:test";
import { gateway } from "@shoal/services";
import type { INetworkPolicy, INetworkPolicyPeer } from "kubernetes-models/networking.k8s.io/v1";
import type { IService } from "kubernetes-models/v1";
import { all, find, pods, selected } from "./fixture-written.ts";

test("DNS has an SRV record of each instance of a service, and one address of all instances of the gateway", () => {
  for (const service of all) {
    const { spec } = find<IService>("Service", service.name);
    assert.deepEqual(selected(spec?.selector), [service.name]);
    const [port, ...more] = spec?.ports ?? [];
    const { name, protocol, targetPort } = port ?? {};
    assert.deepEqual([name, protocol, targetPort, more], ["grpc", "TCP", "grpc", []], "_grpc._tcp");
    assert.equal(port?.port, service.grpcPort);
    assert.equal(spec?.clusterIP, service === gateway ? undefined : "None");
    assert.equal(spec?.publishNotReadyAddresses, undefined);
  }
});

test("the network lets through the calls that services say they make, and no others", () => {
  for (const from of pods)
    for (const { name, grpcPort } of all) {
      const passes =
        reaches(egressOf(from.of), { namespace: "shoal", pod: name }, grpcPort) &&
        reaches(ingressOf(name), { namespace: "shoal", pod: from.of }, grpcPort);
      const calls = from.of === from.service.name && from.service.calls.includes(name);
      assert.equal(passes, calls, `from ${from.of} to ${name}`);
    }
});

test("callers from elsewhere come to the gateway only, and Prometheus to all", () => {
  for (const { name, grpcPort } of all) {
    const ingress = ingressOf(name);
    const stranger = { namespace: "ingress", pod: "controller" };
    assert.equal(reaches(ingress, stranger, grpcPort), name === gateway.name, name);
    assert.equal(reaches(ingress, stranger, grpcPort + 1_000), false, name);
    assert.equal(reaches(ingress, { namespace: "monitoring", pod: "prometheus" }, grpcPort + 1_000), true, name);
  }
});

test("who keeps state reaches the database, and who serves the collector", () => {
  for (const { of, service } of pods) {
    assert.equal(reaches(egressOf(of), { namespace: "elsewhere", pod: "mysql" }, 3_306), service.storage === "sql", of);
    assert.equal(reaches(egressOf(of), { namespace: "monitoring", pod: "collector" }, 4_318), of === service.name, of);
  }
});

interface Rule {
  /** Who is on the other side; `undefined`: anybody. */
  readonly peers: readonly INetworkPolicyPeer[] | undefined;
  readonly ports: readonly unknown[];
}

function egressOf(name: string): readonly Rule[] {
  return (
    policyOf(name).egress?.map(({ to, ports }) => ({ peers: to, ports: ports?.map(({ port }) => port) ?? [] })) ?? []
  );
}

function ingressOf(name: string): readonly Rule[] {
  const { ingress } = policyOf(name);
  return ingress?.map(({ from, ports }) => ({ peers: from, ports: ports?.map(({ port }) => port) ?? [] })) ?? [];
}

function policyOf(name: string) {
  const { spec } = find<INetworkPolicy>("NetworkPolicy", name);
  assert.deepEqual(selected(spec?.podSelector?.matchLabels), [name]);
  assert.deepEqual(spec?.policyTypes, ["Ingress", "Egress"]);
  return spec ?? assert.fail(name);
}

/** Whether one of the rules is for such a pod on the other side. */
function reaches(rules: readonly Rule[], other: { namespace: string; pod: string }, port: number): boolean {
  return rules.some(({ peers, ports }) => {
    if (!ports.includes(port)) return false;
    if (peers === undefined) return true;
    return peers.some(({ podSelector, namespaceSelector }) => {
      const namespace = namespaceSelector?.matchLabels?.["kubernetes.io/metadata.name"] ?? "shoal";
      if (namespace !== other.namespace) return false;
      return podSelector === undefined || selected(podSelector.matchLabels).includes(other.pod);
    });
  });
}
