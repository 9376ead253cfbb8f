import { spawn } from "node:child_process";
import { once } from "node:events";
import type { TestContext } from "node:test";
import { anyPorts } from "@shoal/launcher";
import { repositoryRoot } from "@shoal/services";
import { until } from "@shoal/testkit";
import { untilGone } from "./until-gone.ts";

/** A service, as the launcher's table shows it. */
export interface ListedService {
  readonly grpcAddress: string;
  readonly adminUrl: string;
  readonly pid: number;
}

/** `npm start`, running. */
export interface NpmStart {
  /** The process group that a terminal would send Ctrl-C to. */
  readonly group: number;
  /** Everything it has said so far. */
  output(): string;
  /** Waits for the last line of the start; answers the services by name. Rejects when it ends before. */
  ready(): Promise<Readonly<Record<"user" | "inventory" | "order", ListedService>>>;
  /** Its exit code, once it has ended and its output is complete. */
  ended(): Promise<number | null>;
  /** Presses Ctrl-C once. */
  pressCtrlC(): void;
  /** Presses Ctrl-C, and answers the exit code. */
  interrupt(): Promise<number | null>;
}

/** Runs `npm start -- <args>` as a person does, on any free ports, with data and logs in `home`. */
export function npmStart(
  t: TestContext,
  home: string,
  { args = [], env = {} }: { readonly args?: readonly string[]; readonly env?: NodeJS.ProcessEnv } = {},
): NpmStart {
  const child = spawn("npm", ["start", "--", ...args], {
    cwd: repositoryRoot,
    env: { ...process.env, NO_COLOR: "1", ...anyPorts, SHOAL_HOME: home, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const group = child.pid;
  if (group === undefined) throw new Error("npm cannot be run");
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
  let hasEnded = false;
  child.once("close", () => {
    hasEnded = true;
  });
  const closed = once(child, "close") as Promise<[number | null]>;
  const signal = (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-group, signal);
  };
  t.after(async () => {
    signal("SIGTERM");
    await closed;
  });
  return {
    group,
    output: () => output,
    ready: async () => {
      const isReady = () => output.includes("shoal is ready");
      await until("shoal is ready, or npm start ends", () => isReady() || hasEnded, 60_000).catch((error) => {
        throw new Error(`${error.message}; it said:\n${output}`);
      });
      if (!isReady()) throw new Error(`npm start ended with ${child.exitCode}:\n${output}`);
      return listedServices(output);
    },
    ended: async () => (await closed)[0],
    pressCtrlC: () => signal("SIGINT"),
    interrupt: async () => {
      signal("SIGINT");
      return (await closed)[0];
    },
  };
}

/** Waits until all services of a table have ended. */
export async function untilServicesGone(services: Readonly<Record<string, ListedService>>): Promise<void> {
  await untilGone(Object.values(services).map(({ pid }) => pid));
}

function listedServices(output: string): Readonly<Record<"user" | "inventory" | "order", ListedService>> {
  const service = (name: string): ListedService => {
    const row = new RegExp(`^${name} +(\\S+:\\d+) +(http://\\S+:\\d+) +(\\d+)$`, "m").exec(output);
    const [, grpcAddress, adminUrl, pid] = row ?? [];
    if (grpcAddress === undefined || adminUrl === undefined) throw new Error(`${name} is not in:\n${output}`);
    return { grpcAddress, adminUrl, pid: Number(pid) };
  };
  return { user: service("user"), inventory: service("inventory"), order: service("order") };
}
