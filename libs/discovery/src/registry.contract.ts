import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "@shoal/testkit";
import { bareInstance } from "./instance.ts";
import { Recorder } from "./recorder.contract.ts";
import type { Instance, Registry } from "./registry.ts";

/** A registry with a content of its own, for one test. */
export interface RegistryWorld {
  /** What `openRegistry` takes. */
  readonly url: string;
  /** Another client of it; the test's end closes it. */
  connect(): Registry;
  /** Makes these all that there is, where a driver's content can change. */
  change?(instances: readonly Instance[]): Promise<void>;
}

/** What the suite needs to know of a driver. */
export interface RegistryDriver {
  readonly name: string;
  /** Options of its tests: skipped, with the reason, where what it needs is not to be had. */
  readonly options: { readonly skip?: string };
  /** Whether it carries an instance's zone, version, weight and start, or only its address. */
  readonly carriesAll: boolean;
  /** A new world, in which there are these. */
  open(t: TestContext, instances: readonly Instance[]): Promise<RegistryWorld>;
}

const one = bareInstance("order", "127.0.0.1:50053");
const two = bareInstance("order", "127.0.0.2:50053");
const other = bareInstance("user", "127.0.0.9:50053");
const full: Instance = {
  service: "order",
  id: "0193-a",
  address: "127.0.0.3:50053",
  zone: "eu-central-1a",
  version: "2.1.0+größer",
  weight: 7,
  startedAt: 1_777_777_777_777,
};

/** What every driver must do for those who watch. */
export function testWatching({ name, options, carriesAll, open }: RegistryDriver): void {
  test(
    `${name}: tells what there is soon after a watch begins, and not before watch has returned`,
    options,
    async (t) => {
      const { connect } = await open(t, [one, two, other]);
      const recorder = new Recorder();
      let returned = false;
      connect().watch("order", {
        onInstances(instances) {
          assert.ok(returned);
          recorder.onInstances(instances);
        },
        onError: (error) => recorder.onError(error),
      });
      returned = true;
      await recorder.untilAddresses(one.address, two.address);
      assert.deepEqual(
        recorder.latest?.map(({ service }) => service),
        ["order", "order"],
      );
    },
  );

  test(`${name}: tells an empty list of a service that nobody serves`, options, async (t) => {
    const { connect } = await open(t, [one]);
    const recorder = new Recorder();
    connect().watch("nobody", recorder);
    await recorder.untilAddresses();
    assert.deepEqual(recorder.errors, []);
  });

  test(`${name}: tells several watchers, late ones too, and each service's only their own`, options, async (t) => {
    const { connect } = await open(t, [one, two, other]);
    const registry = connect();
    const [first, late, users] = [new Recorder(), new Recorder(), new Recorder()];
    registry.watch("order", first);
    registry.watch("user", users);
    await first.untilAddresses(one.address, two.address);
    registry.watch("order", late);
    await late.untilAddresses(one.address, two.address);
    await users.untilAddresses(other.address);
    assert.equal(first.count, 1, "the first watcher need not hear that there is another");
  });

  test(`${name}: a listener that throws, or ends another's watch, harms nobody`, options, async (t) => {
    const { connect } = await open(t, [one]);
    const registry = connect();
    const warned = once(process, "warning");
    const ended = new Recorder();
    registry.watch("order", {
      onInstances() {
        end();
        throw new Error("a listener's fault");
      },
      onError() {},
    });
    const end = registry.watch("order", ended);
    const recorder = new Recorder();
    registry.watch("order", recorder);
    await recorder.untilAddresses(one.address);
    assert.equal(ended.count, 0);
    assert.match(String((await warned)[0]), /a listener's fault/);
  });

  test(`${name}: after close a watcher is told an error, and an announcement is refused`, options, async (t) => {
    const { connect } = await open(t, [one]);
    const registry = connect();
    const [before, after] = [new Recorder(), new Recorder()];
    registry.watch("order", before);
    await before.untilAddresses(one.address);
    await registry.close();
    await registry.close();
    registry.watch("order", after);
    await until("told that it is closed", () => after.errors[0]?.message.includes("closed"));
    assert.equal(after.count, 0);
    assert.equal(before.count, 1);
    assert.deepEqual(before.errors, []);
    await assert.rejects(registry.register(one), /closed/);
  });

  test(`${name}: refuses to announce what is no instance`, options, async (t) => {
    const { connect } = await open(t, []);
    const registry = connect();
    for (const [bad, expected] of [
      [{ ...one, service: "Order" }, /service/],
      [{ ...one, id: "a/b" }, /id/],
      [{ ...one, address: "127.0.0.1" }, /address must be HOST:PORT/],
      [{ ...one, weight: 0 }, /weight must be a whole number from 1 to 1,000/],
    ] as const)
      await assert.rejects(registry.register(bad), expected);
  });

  test(`${name}: a process that closes it ends`, options, async (t) => {
    const { url } = await open(t, [one]);
    const child = fork(join(import.meta.dirname, "fixture-registry-client.ts"), ["visit", url], { execArgv: [] });
    t.after(() => child.kill("SIGKILL"));
    const [code, signal] = await Promise.race([
      once(child, "exit"),
      sleep(10_000, ["it has not ended", null], { ref: false }),
    ]);
    assert.deepEqual([code, signal], [0, null]);
  });

  if (carriesAll)
    test(`${name}: keeps all that is said of an instance`, options, async (t) => {
      const { connect } = await open(t, [full]);
      const recorder = new Recorder();
      connect().watch("order", recorder);
      await recorder.untilAddresses(full.address);
      assert.deepEqual(recorder.latest, [full]);
    });
}

/** What a driver whose content can change must do besides. */
export function testChanging({ name, options, open }: RegistryDriver): void {
  test(`${name}: tells each watcher of changes, and one that ended its watch no more`, options, async (t) => {
    const { connect, change } = await open(t, [one]);
    const registry = connect();
    const [stays, leaves, elsewhere] = [new Recorder(), new Recorder(), new Recorder()];
    registry.watch("order", stays);
    const end = registry.watch("order", leaves);
    connect().watch("order", elsewhere);
    for (const each of [stays, leaves, elsewhere]) await each.untilAddresses(one.address);
    end();
    end();
    await change?.([one, two, other]);
    for (const each of [stays, elsewhere]) await each.untilAddresses(one.address, two.address);
    await change?.([other]);
    for (const each of [stays, elsewhere]) await each.untilAddresses();
    assert.equal(leaves.count, 1);
  });

  test(`${name}: a service that nobody watches any more can be watched anew`, options, async (t) => {
    const { connect, change } = await open(t, [one]);
    const registry = connect();
    const [before, after] = [new Recorder(), new Recorder()];
    const end = registry.watch("order", before);
    await before.untilAddresses(one.address);
    end();
    await change?.([one, two]);
    registry.watch("order", after);
    await after.untilAddresses(one.address, two.address);
    assert.equal(before.count, 1);
  });
}

/** What a driver that instances announce themselves through must do besides. */
export function testAnnouncing({ name, options, open }: RegistryDriver): void {
  test(
    `${name}: what is announced is seen at once by who asks then, and deregistered it is gone`,
    options,
    async (t) => {
      const { connect } = await open(t, []);
      const registry = connect();
      await registry.register(full);
      const seen = new Recorder();
      connect().watch("order", seen);
      await seen.untilAddresses(full.address);
      assert.deepEqual(seen.latest, [full]);
      assert.equal(seen.count, 1, "there was no moment at which it was not announced");
      await registry.deregister(full);
      const gone = new Recorder();
      connect().watch("order", gone);
      await gone.untilAddresses();
      await seen.untilAddresses();
      await registry.deregister(full);
    },
  );

  test(`${name}: announced twice is announced once, as it was said last`, options, async (t) => {
    const { connect } = await open(t, []);
    const registry = connect();
    await registry.register(full);
    await registry.register(full);
    await registry.register({ ...full, weight: 9 });
    const recorder = new Recorder();
    connect().watch("order", recorder);
    await until("one, with its new weight", () => recorder.latest?.[0]?.weight === 9);
    assert.equal(recorder.latest?.length, 1);
    await registry.deregister(full);
    await recorder.untilAddresses();
  });

  test(`${name}: closing takes back what was announced through it, and nothing else`, options, async (t) => {
    const { connect } = await open(t, [one]);
    const registry = connect();
    await Promise.all([registry.register(two), registry.register(full)]);
    const recorder = new Recorder();
    connect().watch("order", recorder);
    await recorder.untilAddresses(one.address, two.address, full.address);
    await registry.close();
    await recorder.untilAddresses(one.address);
  });
}
