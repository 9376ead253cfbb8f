import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type EtcdServer, needsEtcd, startEtcd, startTcpProxy, until } from "@shoal/testkit";
import { parseAddress } from "../../address.ts";
import { believing } from "../../believing.ts";
import { bareInstance } from "../../instance.ts";
import { Recorder } from "../../recorder.contract.ts";
import type { Registry } from "../../registry.ts";
import { createEtcdRegistry, type EtcdRegistryOptions } from "./etcd-registry.ts";

const one = bareInstance("order", "127.0.0.1:50053");
const two = bareInstance("order", "127.0.0.2:50053");
const three = bareInstance("order", "127.0.0.3:50053");

/** A registry that notices faults sooner than the usual. */
function open(
  t: TestContext,
  addresses: readonly string[],
  options: Partial<EtcdRegistryOptions> = {},
): Registry & { readonly problems: readonly string[] } {
  const problems: string[] = [];
  const registry = createEtcdRegistry({
    endpoints: addresses.map((address) => parseAddress(address) ?? assert.fail(address)),
    ttlMs: 2_000,
    timeoutMs: 500,
    probeMs: 300,
    maxBackoffMs: 500,
    onProblem: (problem) => problems.push(problem.message),
    ...options,
  });
  t.after(() => registry.close());
  return { ...registry, problems };
}

/** Sets a value by hand. */
async function put(etcd: EtcdServer, key: string, value: string): Promise<void> {
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  await etcd.call("/v3/kv/put", { key: base64(key), value: base64(value) });
}

/** The ids of all leases. */
async function leases(etcd: EtcdServer): Promise<readonly string[]> {
  const answer = (await etcd.call("/v3/lease/leases", {})) as { leases?: { ID: string }[] };
  return (answer.leases ?? []).map(({ ID }) => ID);
}

async function currentRevision(etcd: EtcdServer): Promise<string> {
  const { header } = (await etcd.call("/v3/kv/range", { key: "AA==" })) as { header: { revision: string } };
  return header.revision;
}

test(
  "etcd killed with -9 and back with its data: nobody has left, and changes are told again",
  needsEtcd(),
  async (t) => {
    const etcd = await startEtcd(t);
    const [announces, watches] = [open(t, [etcd.address]), open(t, [etcd.address])];
    const recorder = new Recorder();
    await announces.register(one);
    watches.watch("order", recorder);
    await recorder.untilAddresses(one.address);
    await etcd.kill();
    await until("told that it is away", () => recorder.errors.length > 0);
    await assert.rejects(announces.register(two), { reason: "REGISTRY_UNAVAILABLE" });
    assert.deepEqual(recorder.addresses, [one.address]);
    await etcd.start("kept");
    // What could not be announced then is now.
    await recorder.untilAddresses(one.address, two.address);
    await announces.deregister(one);
    await recorder.untilAddresses(two.address);
  },
);

test(
  "etcd back without its data: all announce themselves again, and the cautious have noticed nothing",
  needsEtcd(),
  async (t) => {
    const etcd = await startEtcd(t);
    const announcers = [one, two, three].map((instance) => ({ instance, registry: open(t, [etcd.address]) }));
    for (const { instance, registry } of announcers) await registry.register(instance);
    const bold = new Recorder();
    const cautious = new Recorder();
    open(t, [etcd.address]).watch("order", bold);
    const believer = believing(open(t, [etcd.address]));
    believer.watch("order", cautious);
    await bold.untilAddresses(one.address, two.address, three.address);
    await cautious.untilAddresses(one.address, two.address, three.address);
    const smallest = { cautious: 3 };
    believer.watch("order", {
      onInstances: ({ length }) => {
        smallest.cautious = Math.min(smallest.cautious, length);
      },
      onError() {},
    });
    await etcd.kill();
    await until("told that it is away", () => bold.errors.length > 0);
    const told = bold.count;
    const backAt = performance.now();
    await etcd.start("empty");
    await until("told anew", () => bold.count > told);
    await bold.untilAddresses(one.address, two.address, three.address);
    await cautious.untilAddresses(one.address, two.address, three.address);
    t.diagnostic(`all were back ${Math.round(performance.now() - backAt)} ms after etcd was started`);
    assert.equal(smallest.cautious, 3);
  },
);

test("an etcd that was emptied and has had more changes since is listed anew", needsEtcd(), async (t) => {
  const etcd = await startEtcd(t);
  const proxy = await startTcpProxy(t, etcd.address);
  const gone = open(t, [proxy.address], { ttlMs: 60_000 });
  await gone.register(one);
  const recorder = new Recorder();
  open(t, [proxy.address]).watch("order", recorder);
  await recorder.untilAddresses(one.address);
  proxy.cut();
  const before = Number(await currentRevision(etcd));
  await etcd.kill();
  await etcd.start("empty");
  const other = open(t, [etcd.address]);
  await other.register(two);
  for (let change = 0; change < before + 5; change++) await put(etcd, "elsewhere", String(change));
  await gone.close();
  proxy.mend();
  await recorder.untilAddresses(two.address);
});

test("etcd that hangs is noticed, and what it missed is told once it goes on", needsEtcd(), async (t) => {
  const etcd = await startEtcd(t);
  const [announces, watches] = [open(t, [etcd.address]), open(t, [etcd.address])];
  const recorder = new Recorder();
  await announces.register(one);
  watches.watch("order", recorder);
  await recorder.untilAddresses(one.address);
  const pausedAt = performance.now();
  etcd.pause();
  await until("told that it does not answer", () =>
    recorder.errors[0]?.message.includes("does not answer within 500 ms"),
  );
  t.diagnostic(`told ${Math.round(performance.now() - pausedAt)} ms after it began to hang`);
  await assert.rejects(announces.register(two), /does not answer within 500 ms/);
  assert.deepEqual(recorder.addresses, [one.address]);
  etcd.resume();
  await recorder.untilAddresses(one.address, two.address);
});

test("a registry can be closed while etcd hangs", needsEtcd(), async (t) => {
  const etcd = await startEtcd(t);
  const registry = open(t, [etcd.address]);
  await registry.register(one);
  registry.watch("order", new Recorder());
  etcd.pause();
  const begun = performance.now();
  await registry.close();
  assert.ok(performance.now() - begun < 2_000);
});

test("changes that etcd has compacted away while a watcher was cut off are told", needsEtcd(), async (t) => {
  const etcd = await startEtcd(t);
  const proxy = await startTcpProxy(t, etcd.address);
  const announces = open(t, [etcd.address]);
  await announces.register(one);
  const recorder = new Recorder();
  open(t, [proxy.address]).watch("order", recorder);
  await recorder.untilAddresses(one.address);
  proxy.cut();
  await announces.register(two);
  await announces.deregister(one);
  await announces.register(three);
  await etcd.call("/v3/kv/compaction", { revision: await currentRevision(etcd), physical: true });
  assert.deepEqual(recorder.addresses, [one.address]);
  proxy.mend();
  await recorder.untilAddresses(two.address, three.address);
});

test("a compaction does not disturb those who watch", needsEtcd(), async (t) => {
  const etcd = await startEtcd(t);
  const registry = open(t, [etcd.address]);
  await registry.register(one);
  const recorder = new Recorder();
  registry.watch("order", recorder);
  await recorder.untilAddresses(one.address);
  await etcd.call("/v3/kv/compaction", { revision: await currentRevision(etcd), physical: true });
  await registry.register(two);
  await recorder.untilAddresses(one.address, two.address);
  assert.deepEqual(recorder.errors, []);
});

test("a lease that is revoked, and an entry deleted by hand, are made good", needsEtcd(), async (t) => {
  const etcd = await startEtcd(t);
  const registry = open(t, [etcd.address]);
  await registry.register(one);
  await registry.register(two);
  const recorder = new Recorder();
  open(t, [etcd.address]).watch("order", recorder);
  await recorder.untilAddresses(one.address, two.address);
  const [lease] = await leases(etcd);
  const revokedAt = performance.now();
  await etcd.call("/v3/lease/revoke", { ID: lease });
  await recorder.untilAddresses();
  await recorder.untilAddresses(one.address, two.address);
  t.diagnostic(`back ${Math.round(performance.now() - revokedAt)} ms after the lease was revoked`);
  await etcd.call("/v3/kv/deleterange", { key: Buffer.from(`shoal/order/${one.id}`).toString("base64") });
  await recorder.untilAddresses(two.address);
  await recorder.untilAddresses(one.address, two.address);
  assert.equal((await leases(etcd)).length, 1);
  assert.deepEqual(registry.problems, []);
});

test("a process that is killed with -9 is gone with its lease", needsEtcd(), async (t) => {
  const etcd = await startEtcd(t);
  const recorder = new Recorder();
  open(t, [etcd.address]).watch("order", recorder);
  const args = ["announce", `etcd://${etcd.address}`, one.address, "2000"];
  const child = fork(join(import.meta.dirname, "../../fixture-registry-client.ts"), args, { execArgv: [] });
  t.after(() => child.kill("SIGKILL"));
  await once(child, "message");
  await recorder.untilAddresses(one.address);
  child.kill("SIGKILL");
  const killedAt = performance.now();
  await recorder.untilAddressesWithin(5_000);
  t.diagnostic(`gone ${Math.round(performance.now() - killedAt)} ms after the kill, with a lease of 2,000 ms`);
});

test("a process that is stopped for longer than its lease announces itself again", needsEtcd(), async (t) => {
  const etcd = await startEtcd(t);
  const recorder = new Recorder();
  open(t, [etcd.address]).watch("order", recorder);
  const args = ["announce", `etcd://${etcd.address}`, one.address, "1000"];
  const child = fork(join(import.meta.dirname, "../../fixture-registry-client.ts"), args, { execArgv: [] });
  t.after(() => child.kill("SIGKILL"));
  await once(child, "message");
  await recorder.untilAddresses(one.address);
  child.kill("SIGSTOP");
  await recorder.untilAddresses();
  child.kill("SIGCONT");
  await recorder.untilAddresses(one.address);
});

for (const state of ["dead", "hanging"])
  test(`of two endpoints one may be ${state}`, needsEtcd(), async (t) => {
    const [etcd, bad] = await Promise.all([startEtcd(t), startEtcd(t)]);
    if (state === "dead") await bad.kill();
    else bad.pause();
    // Which of the two is asked first is up to chance.
    for (let round = 0; round < 5; round++) {
      const registry = open(t, [bad.address, etcd.address]);
      const recorder = new Recorder();
      registry.watch("order", recorder);
      await registry.register(one);
      await recorder.untilAddresses(one.address);
      assert.deepEqual(recorder.errors, []);
      await registry.close();
    }
  });

test("an endpoint that dies meanwhile is left for the other", needsEtcd(), async (t) => {
  const etcd = await startEtcd(t);
  const [near, far] = [await startTcpProxy(t, etcd.address), await startTcpProxy(t, etcd.address)];
  const registry = open(t, [near.address, far.address]);
  await registry.register(one);
  const recorder = new Recorder();
  registry.watch("order", recorder);
  await recorder.untilAddresses(one.address);
  for (const [dies, lives] of [
    [near, far],
    [far, near],
  ] as const) {
    lives.mend();
    dies.cut();
    await registry.register(two);
    await recorder.untilAddresses(one.address, two.address);
    await registry.deregister(two);
    await recorder.untilAddresses(one.address);
  }
  assert.deepEqual(recorder.errors, []);
  assert.deepEqual(registry.problems, []);
});

test("entries that are no instances are skipped, and told once each", needsEtcd(), async (t) => {
  const etcd = await startEtcd(t);
  const registry = open(t, [etcd.address]);
  await registry.register(one);
  await put(etcd, "shoal/order/text", "hello");
  await put(etcd, "shoal/order/weight", JSON.stringify({ ...two, id: "weight", weight: -1 }));
  await put(etcd, "shoal/order/elsewhere", JSON.stringify({ ...two, id: "other" }));
  await put(etcd, "shoal/orders/x", JSON.stringify({ ...three, service: "orders", id: "x" }));
  const recorder = new Recorder();
  registry.watch("order", recorder);
  await recorder.untilAddresses(one.address);
  await registry.register(three);
  await recorder.untilAddresses(one.address, three.address);
  assert.equal(registry.problems.length, 3, registry.problems.join("\n"));
  for (const [index, expected] of [
    /order\/elsewhere .*not those of its key/,
    /order\/text /,
    /order\/weight .*weight must be/,
  ].entries())
    assert.match([...registry.problems].sort()[index] ?? "", expected);
  await put(etcd, "shoal/order/text", JSON.stringify({ ...two, id: "text" }));
  await recorder.untilAddresses(one.address, two.address, three.address);
});

test("what is deregistered while etcd is away is gone once it is back", needsEtcd(), async (t) => {
  const etcd = await startEtcd(t);
  const registry = open(t, [etcd.address], { ttlMs: 60_000 });
  await registry.register(one);
  await registry.register(two);
  const recorder = new Recorder();
  open(t, [etcd.address]).watch("order", recorder);
  await recorder.untilAddresses(one.address, two.address);
  await etcd.kill();
  await registry.deregister(one);
  assert.match(registry.problems[0] ?? "", /cannot be used now/);
  await etcd.start("kept");
  await recorder.untilAddresses(two.address);
});

test(
  "where all members hang, deregister and close take no longer than one of them may take to answer",
  needsEtcd(),
  async (t) => {
    const etcd = await startEtcd(t);
    const registry = open(t, [etcd.address, etcd.address, etcd.address], { ttlMs: 1_000, timeoutMs: 1_000 });
    await registry.register(one);
    etcd.pause();
    // So that a comparison hangs already.
    await sleep(500);
    for (const end of [() => registry.deregister(one), () => registry.close()]) {
      const begunAt = performance.now();
      await end();
      const tookMs = performance.now() - begunAt;
      assert.ok(tookMs < 1_900, `took ${tookMs} ms`);
    }
    etcd.resume();
  },
);

test("an entry that is deleted by hand, then deregistered, leaves no lease that is renewed", needsEtcd(), async (t) => {
  const etcd = await startEtcd(t);
  const registry = open(t, [etcd.address], { ttlMs: 2_000 });
  await registry.register(one);
  const key = Buffer.from(`shoal/order/${one.id}`).toString("base64");
  await etcd.call("/v3/kv/deleterange", { key });
  await registry.deregister(one);
  await until("the lease ends", async () => (await leases(etcd)).length === 0);
});
