import { join } from "node:path";
import { Deaths } from "./deaths.ts";
import type { ServiceRecord } from "./home.ts";
import type { LogLine } from "./log-line.ts";
import { ServiceProcess } from "./service-process.ts";

/** What {@link FaultProxies} need. */
export interface FaultProxiesOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: (name: string) => string;
  readonly onWarning: (name: string, line: LogLine) => void;
  /** Told when there is another process, or another control endpoint. */
  readonly onChange: () => void;
  /** Waits until a process is ready; rejects when that fails, takes too long, or the stack is being stopped. */
  readonly untilReady: (process: ServiceProcess) => ServiceProcess["ready"];
  /** Aborts when the stack is being stopped: what ends from then on is left alone. */
  readonly signal: AbortSignal;
}

const entry = join(import.meta.dirname, "fault-proxy-process.ts");

/** It has nothing to drain, so it ends at once or not at all; in milliseconds. */
const stopTimeoutMs = 2_000;

/**
 * The fault proxies of a stack's instances, each a process of its own that outlives its instance's restarts.
 *
 * States of each: starting → running → starting again, at the same port and without faults, when it has died; or → left out,
 * when that fails or it has died at once too often in a row; from there → starting with its instance.
 */
export class FaultProxies {
  readonly #options: FaultProxiesOptions;
  readonly #deaths = new Deaths();
  /** All of these by the name of the instance. */
  readonly #processes = new Map<string, ServiceProcess>();
  readonly #targets = new Map<string, string>();
  /** Of those that are not left out, once they run. */
  readonly #ports = new Map<string, Promise<number>>();
  readonly #controls = new Map<string, string>();

  constructor(options: FaultProxiesOptions) {
    this.#options = options;
  }

  /** `HOST:PORT` where each that runs is controlled, by the name of its instance, in the order in which they were begun. */
  get controlAddresses(): ReadonlyMap<string, string> {
    const names = [...this.#processes.keys()];
    return new Map(
      names.flatMap((name) => {
        const address = this.#controls.get(name);
        return address === undefined ? [] : [[name, address]];
      }),
    );
  }

  /** The processes, as the next launcher can find them. */
  get records(): readonly ServiceRecord[] {
    return [...this.#processes.values()].flatMap(({ name, pid }) => (pid === undefined ? [] : [{ name, pid, entry }]));
  }

  /** The port of the proxy before the instance `name`: the one that there is, or else one that is started at `host` and `port`. */
  before(name: string, host: string, port: string): Promise<number> {
    return this.#ports.get(name) ?? this.#start(name, host, port);
  }

  /** Has the proxy before the instance `name` lead to that at `HOST:PORT`, also when it is started again. */
  setTarget(name: string, address: string): void {
    this.#targets.set(name, address);
    this.#tellTarget(name);
  }

  /** Ends all. */
  async stop(): Promise<void> {
    await Promise.all([...this.#processes.values()].map((process) => process.stop(stopTimeoutMs)));
  }

  /** Ends all at once. */
  kill(): void {
    for (const process of this.#processes.values()) process.kill();
  }

  #start(name: string, host: string, port: string): Promise<number> {
    const { cwd, env, logFile, onWarning, onChange, untilReady } = this.#options;
    const process = new ServiceProcess({
      name: `${name}-faults`,
      entry,
      cwd,
      env: { ...env, SHOAL_FAULTS_HOST: host, SHOAL_FAULTS_PORT: port },
      logFile: logFile(`${name}-faults`),
      onWarning: (line) => onWarning(`${name}-faults`, line),
    });
    this.#processes.set(name, process);
    onChange();
    const started = untilReady(process).then(({ grpcPort, adminPort }) => {
      this.#deaths.ready(name, performance.now());
      this.#controls.set(name, `127.0.0.1:${adminPort}`);
      this.#tellTarget(name);
      onChange();
      void process.ended.then(() => this.#died(name, host, grpcPort));
      return grpcPort;
    });
    this.#ports.set(name, started);
    started.catch(() => this.#ports.delete(name));
    return started;
  }

  #died(name: string, host: string, port: number): void {
    this.#ports.delete(name);
    this.#controls.delete(name);
    const { signal, onWarning } = this.#options;
    if (signal.aborted) return;
    const warn = (what: string) => onWarning(`${name}-faults`, { level: "error", message: what });
    const leftOut = `${name} is out of reach until it is started again`;
    if (!this.#deaths.died(name, performance.now())) {
      warn(`the fault proxy before ${name} has ended at once again: ${leftOut}`);
      return;
    }
    warn(`the fault proxy before ${name} has ended: it is started again, without faults`);
    this.#start(name, host, String(port)).catch((error) => {
      if (!signal.aborted) warn(`${(error as Error).message}\n${leftOut}`);
    });
  }

  #tellTarget(name: string): void {
    const address = this.#targets.get(name);
    if (address !== undefined) this.#processes.get(name)?.send({ type: "target", address });
  }
}
