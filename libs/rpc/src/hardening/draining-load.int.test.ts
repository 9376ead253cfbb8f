// Draining under load: processes that are restarted while a client goes on calling.
import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { isAppError } from "@shoal/kernel";
import { lastingPort, until } from "@shoal/testkit";
import { createClient } from "../client/client.ts";
import type { DrainingServerMessage } from "./draining-server.ts";

type Drained = Extract<DrainingServerMessage, { type: "drained" }>;

/** A server in a process of its own. */
interface ServerProcess {
  readonly name: string;
  readonly port: number;
  /** Sends SIGTERM; answers what the process told when it had drained, and how it ended, by itself. */
  stop(): Promise<{ readonly drained: Drained | undefined; readonly exitCode: number | null }>;
}

async function startServer(t: TestContext, name: string, port: number): Promise<ServerProcess> {
  const child: ChildProcess = fork(new URL("draining-server.ts", import.meta.url), [name, String(port)], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const ended = once(child, "exit") as Promise<[number | null]>;
  t.after(() => child.kill("SIGKILL"));
  const [message] = (await Promise.race([
    once(child, "message"),
    ended.then(([code]) => assert.fail(`server ${name} ended with ${code} before it listened`)),
  ])) as [DrainingServerMessage];
  assert.equal(message.type, "listening");
  const { port: bound } = message as Extract<DrainingServerMessage, { type: "listening" }>;
  return {
    name,
    port: bound,
    stop: async () => {
      let drained: Drained | undefined;
      child.on("message", (told: DrainingServerMessage) => {
        if (told.type === "drained") drained = told;
      });
      child.kill("SIGTERM");
      const [exitCode] = await ended;
      return { drained, exitCode };
    },
  };
}

/**
 * Begins `call`, which must not throw, `perSecond` times a second, whatever becomes of the calls, until `signal` aborts.
 * Only a machine that is too busy for that gets fewer: none is begun while `hasRoom` denies it.
 */
async function pace(perSecond: number, signal: AbortSignal, hasRoom: () => boolean, call: () => void): Promise<void> {
  let due = 0;
  for (let at = performance.now(); !signal.aborted; await sleep(1)) {
    // Timers are late: what has become due meanwhile is begun at once.
    const now = performance.now();
    due += ((now - at) / 1_000) * perSecond;
    at = now;
    for (; due >= 1; due -= 1) if (hasRoom()) call();
  }
}

/** What the calls are paced at; told beside what was reached, which a machine that is busy otherwise lowers. */
const perSecond = 2_000;
const restartsOfEach = 5;
/** Many more than there are when the machine is not busy. */
const mostAtOnce = 500;
/** Calls that a server has to answer before it is restarted, or the other is. */
const answersBetween = 200;

test("no call fails while each of two servers is restarted five times under 2,000 calls a second", {
  timeout: 180_000,
}, async (t) => {
  const running = await Promise.all(["a", "b"].map(async (name) => startServer(t, `${name}0`, await lastingPort())));
  using client = createClient(EchoService, {
    address: `ipv4:${running.map(({ port }) => `127.0.0.1:${port}`).join(",")}`,
    balancing: "round_robin",
  });

  const answered = new Map<string, number>();
  const failures: string[] = [];
  let sent = 0;
  let open = 0;
  let mostOpen = 0;
  let slowestMs = 0;
  const call = async () => {
    const number = sent;
    sent += 1;
    open += 1;
    mostOpen = Math.max(open, mostOpen);
    const startedAt = performance.now();
    try {
      const { parcel } = await client.echo({ parcel: { number: BigInt(number) } });
      const name = String(parcel?.name);
      answered.set(name, (answered.get(name) ?? 0) + 1);
    } catch (error) {
      failures.push(isAppError(error) ? `${error.kind} ${error.reason}: ${error.message}` : String(error));
    }
    slowestMs = Math.max(slowestMs, performance.now() - startedAt);
    open -= 1;
  };

  const answeredBy = ({ name }: ServerProcess) => answered.get(name) ?? 0;
  /** Each of the servers has answered that many calls from now on. */
  const untilAllAnswer = async () => {
    const before = new Map(running.map((server) => [server, answeredBy(server)]));
    const haveAnswered = () => [...before].every(([server, count]) => answeredBy(server) >= count + answersBetween);
    await until("all servers answer", haveAnswered, 60_000);
  };

  const stop = new AbortController();
  t.after(() => stop.abort());
  const startedAt = performance.now();
  const pacing = pace(
    perSecond,
    stop.signal,
    () => open < mostAtOnce,
    () => void call(),
  );
  const entered: number[] = [];
  const drainsMs: number[] = [];
  const end = async (server: ServerProcess) => {
    const { drained, exitCode } = await server.stop();
    assert.deepEqual([server.name, exitCode, drained?.forced], [server.name, 0, false]);
    for (const number of drained?.entered ?? []) entered.push(number);
    drainsMs.push(Math.round(drained?.drainMs ?? Number.NaN));
  };
  for (let restart = 1; restart <= restartsOfEach; restart += 1)
    for (const [index, server] of running.entries()) {
      await untilAllAnswer();
      await end(server);
      running[index] = await startServer(t, `${server.name.slice(0, 1)}${restart}`, server.port);
    }
  await untilAllAnswer();
  stop.abort();
  await pacing;
  const seconds = (performance.now() - startedAt) / 1_000;
  await until("all calls have ended", () => open === 0, 60_000);
  for (const server of running) await end(server);

  t.diagnostic(`${sent} calls in ${seconds.toFixed(1)} s: ${Math.round(sent / seconds)} a second`);
  t.diagnostic(`at most ${mostOpen} at once; the slowest took ${Math.round(slowestMs)} ms`);
  t.diagnostic(
    `answered: ${[...answered]
      .sort()
      .map(([name, count]) => `${name} ${count}`)
      .join(", ")}`,
  );
  t.diagnostic(`draining took ${drainsMs.join(", ")} ms`);
  assert.deepEqual(failures, []);
  assert.equal(entered.length, new Set(entered).size, "calls were executed twice");
  assert.equal(entered.length, sent, "calls were answered that were not executed");
});
