import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { suite, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { createLocalRegistryServer, openRegistry, type Registry } from "@shoal/discovery";
import { isAppError } from "@shoal/kernel";
import { createClient } from "@shoal/rpc";
import { type EtcdServer, needsEtcd, startEtcd, until } from "@shoal/testkit";

// Real instances in processes of their own, a real registry, and a client under load that it finds them with.

/** A lease is over for etcd within this after its time, in milliseconds: it looks twice a second. */
const leaseSlackMs = 2_000;

/** Who calls at once, and the pause of each between two calls, in milliseconds: hundreds of calls a second. */
const callers = 20;
const pauseMs = 20;

interface Instance {
  readonly process: ChildProcess;
  readonly pid: string;
  /** When it said that it takes calls. */
  readonly readyAt: number;
}

async function startInstance(t: TestContext, registryUrl: string): Promise<Instance> {
  const child = fork(join(import.meta.dirname, "echo-instance.ts"), {
    env: {
      ...process.env,
      SHOAL_ECHO_REGISTRY: registryUrl,
      SHOAL_ECHO_ADMIN_PORT: "0",
      SHOAL_ECHO_LOG_LEVEL: "fatal",
    },
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  t.after(() => child.kill("SIGKILL"));
  const [message] = await Promise.race([
    once(child, "message"),
    once(child, "exit").then(([code]) => assert.fail(`an instance ended with ${code} before it was ready`)),
  ]);
  assert.equal(message.type, "ready");
  return { process: child, pid: String(child.pid), readyAt: performance.now() };
}

/** Calls again and again, several at once, and who answered. `again`: calls that may be repeated. */
function callUntilStopped(t: TestContext, registry: Registry, method: "echo" | "echoAgain") {
  const client = createClient(EchoService, { address: "shoal:///echo", registry });
  const answered = new Map<string, { calls: number; firstAt: number }>();
  const failures: unknown[] = [];
  let stopped = false;
  const caller = async () => {
    while (!stopped) {
      try {
        const { parcel } = await client[method]({});
        const pid = parcel?.name ?? "";
        const one = answered.get(pid);
        if (one === undefined) answered.set(pid, { calls: 1, firstAt: performance.now() });
        else one.calls += 1;
      } catch (error) {
        failures.push(error);
      }
      await sleep(pauseMs);
    }
  };
  const calling = Array.from({ length: callers }, caller);
  const stop = async () => {
    stopped = true;
    await Promise.all(calling);
    client[Symbol.dispose]();
  };
  t.after(stop);
  const callsOf = ({ pid }: Instance) => answered.get(pid)?.calls ?? 0;
  return {
    failures,
    callsOf,
    firstCallAt: ({ pid }: Instance) => answered.get(pid)?.firstAt,
    /** Waits until each of these, and nobody else, answers. */
    untilAllAnswer: async (instances: readonly Instance[]) => {
      const before = new Map([...answered].map(([pid, { calls }]) => [pid, calls]));
      await until("all instances answer", () =>
        instances.every((instance) => callsOf(instance) > (before.get(instance.pid) ?? 0)),
      );
    },
    stop,
  };
}

/** Who is announced, as a watcher sees it. */
function watch(t: TestContext, registry: Registry) {
  const seen = { addresses: [] as readonly string[], size: -1 };
  const unwatch = registry.watch("echo", {
    onInstances: (instances) => {
      seen.addresses = instances.map(({ address }) => address);
      seen.size = instances.length;
    },
    onError: () => {},
  });
  t.after(unwatch);
  return seen;
}

function open(t: TestContext, url: string): Registry {
  const registry = openRegistry(url, { onProblem: () => {} });
  t.after(() => registry.close());
  return registry;
}

const urlOf = ({ address }: EtcdServer) => `etcd://${address}`;

suite("instances in etcd", { concurrency: 1, ...needsEtcd() }, () => {
  test("etcd is killed and comes back under load: no call fails; who came meanwhile is called, who went is not", async (t) => {
    const etcd = await startEtcd(t);
    const registry = open(t, urlOf(etcd));
    const first = await Promise.all([1, 2, 3].map(() => startInstance(t, urlOf(etcd))));
    const load = callUntilStopped(t, registry, "echo");
    await load.untilAllAnswer(first);

    await etcd.kill();
    await load.untilAllAnswer(first);
    const came = await startInstance(t, urlOf(etcd));
    const [went, ...stayed] = first as [Instance, Instance, Instance];
    went.process.kill("SIGTERM");
    await once(went.process, "exit");
    await load.untilAllAnswer(stayed);
    assert.equal(load.callsOf(came), 0, "nobody can know of it yet");

    await etcd.start("kept");
    await load.untilAllAnswer([...stayed, came]);
    await etcd.kill();
    await etcd.start("empty");
    const watched = watch(t, open(t, urlOf(etcd)));
    await until("all three are announced again", () => watched.size === 3, 30_000);
    const before = load.callsOf(went);
    await load.untilAllAnswer([...stayed, came]);
    assert.equal(load.callsOf(went), before);
    assert.deepEqual(load.failures, []);
  });

  test("an instance that is killed is out within its lease, and fails no more than the calls that were on it", async (t) => {
    const etcd = await startEtcd(t);
    const registry = open(t, urlOf(etcd));
    const [killed, ...others] = await Promise.all([1, 2, 3].map(() => startInstance(t, urlOf(etcd))));
    assert.ok(killed);
    const load = callUntilStopped(t, registry, "echoAgain");
    const watched = watch(t, registry);
    await load.untilAllAnswer([killed, ...others]);
    assert.equal(watched.size, 3);
    const killedAt = performance.now();
    killed.process.kill("SIGKILL");
    await once(killed.process, "exit");
    await load.untilAllAnswer(others);
    const last = load.callsOf(killed);
    // One whose headers had come cannot be tried again by gRPC's rules; each caller was waiting for one call.
    const failed = load.failures.length;
    assert.ok(failed <= callers, `${failed} calls failed`);
    assert.ok(load.failures.every((error) => isAppError(error) && error.kind === "unavailable"));
    await until("it is out", () => watched.size === 2, 10_000 + leaseSlackMs);
    t.diagnostic(`out ${Math.round(performance.now() - killedAt)} ms after it was killed`);
    assert.equal(load.callsOf(killed), last);
    await load.stop();
    assert.equal(load.failures.length, failed);
  });

  test("a new instance gets its first call within a second of being ready", async (t) => {
    const etcd = await startEtcd(t);
    const first = await startInstance(t, urlOf(etcd));
    const load = callUntilStopped(t, open(t, urlOf(etcd)), "echo");
    await load.untilAllAnswer([first]);
    const second = await startInstance(t, urlOf(etcd));
    await load.untilAllAnswer([first, second]);
    const tookMs = (load.firstCallAt(second) ?? Number.POSITIVE_INFINITY) - second.readyAt;
    t.diagnostic(`${Math.round(tookMs)} ms after it was ready`);
    assert.ok(tookMs < 1_000, `${tookMs} ms`);
    assert.deepEqual(load.failures, []);
  });
});

test("an instance that drains gets no more calls and fails none; restarts one after the other are not seen", async (t) => {
  const server = await createLocalRegistryServer();
  t.after(() => server.close());
  const url = `local://${server.address}`;
  let instances = await Promise.all([1, 2, 3].map(() => startInstance(t, url)));
  const load = callUntilStopped(t, open(t, url), "echo");
  await load.untilAllAnswer(instances);
  for (let restart = 0; restart < 4; restart += 1) {
    const [old, ...others] = instances as [Instance, ...Instance[]];
    old.process.kill("SIGTERM");
    const [code] = await once(old.process, "exit");
    assert.equal(code, 0);
    const last = load.callsOf(old);
    instances = [...others, await startInstance(t, url)];
    await load.untilAllAnswer(instances);
    assert.equal(load.callsOf(old), last);
  }
  await load.stop();
  assert.deepEqual(load.failures, []);
});
