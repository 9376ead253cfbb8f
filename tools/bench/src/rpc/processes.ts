import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { basename, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Order, Reply, Tasks } from "./parent-link.ts";

/** A process of ours that does tasks. Disposing of it ends it. */
export interface Worker<T extends Tasks<T>> extends AsyncDisposable {
  /** Has it do a task. Rejects when the task fails, and when the process ends before it is done. */
  ask<K extends keyof T & string>(task: K, ...argument: Parameters<T[K]>): ReturnType<T[K]>;
}

/** How long a process may take to end by itself, in milliseconds. */
const endMs = 5_000;

/**
 * Starts a script: of this folder, or at an absolute path. It also ends when this process does, however that ends. With `profileDir` it writes a
 * CPU profile there when it is disposed of. What it prints goes to standard error.
 */
export function startWorker<T extends Tasks<T>>(script: string, peer: string, profileDir?: string): Worker<T> {
  const what = basename(script, "-process.ts");
  const label = `${what} of ${peer}`;
  const profile = `${peer}-${what}.cpuprofile`;
  const child = fork(resolve(import.meta.dirname, script), [peer], {
    execArgv:
      profileDir === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profileDir}`, `--cpu-prof-name=${profile}`],
    stdio: ["ignore", 2, 2, "ipc"],
  });
  return {
    ask: ((task: string, argument?: unknown) => ask(child, label, { task, argument })) as unknown as Worker<T>["ask"],
    [Symbol.asyncDispose]: () => end(child),
  };
}

async function ask(child: ChildProcess, label: string, order: Order): Promise<unknown> {
  const settled = new AbortController();
  const { signal } = settled;
  try {
    const ended = async () => {
      const [code, killedBy] = await once(child, "exit", { signal });
      throw new Error(`the ${label} has ended (${killedBy ?? `exit code ${code}`})`);
    };
    if (!child.connected) throw new Error(`the ${label} has ended`);
    child.send(order);
    const [reply] = (await Promise.race([once(child, "message", { signal }), ended()])) as [Reply];
    if ("error" in reply) throw new Error(`the ${label}: ${reply.error}`);
    return reply.answer;
  } finally {
    settled.abort();
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  if (child.connected) child.disconnect();
  const settled = new AbortController();
  const late = sleep(endMs, true, { signal: settled.signal }).catch(() => false);
  if (await Promise.race([exited.then(() => false), late])) child.kill("SIGKILL");
  settled.abort();
  await exited;
}
