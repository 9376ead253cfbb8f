import { join } from "node:path";
import type { ServiceRecord } from "./home.ts";
import type { LogLine } from "./log-line.ts";
import { ServiceProcess } from "./service-process.ts";

/** What {@link FaultProxies} need. */
export interface FaultProxiesOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: (name: string) => string;
  readonly onWarning: (name: string, line: LogLine) => void;
  /** Waits until a process is ready; rejects when that fails, takes too long, or the stack is being stopped. */
  readonly untilReady: (process: ServiceProcess) => ServiceProcess["ready"];
}

/** A fault proxy that runs. */
export interface RunningFaultProxy {
  /** The port that clients connect to. */
  readonly port: number;
  /** `HOST:PORT` of its control endpoint. */
  readonly controlAddress: string;
  /** Has it lead to the instance at `HOST:PORT`. */
  setTarget(address: string): void;
}

const entry = join(import.meta.dirname, "fault-proxy-process.ts");

/** It has nothing to drain, so it ends at once or not at all; in milliseconds. */
const stopTimeoutMs = 2_000;

/** The fault proxies of a stack's instances, each a process of its own that outlives its instance's restarts. */
export class FaultProxies {
  readonly #options: FaultProxiesOptions;
  readonly #processes = new Map<string, ServiceProcess>();
  readonly #running = new Map<string, RunningFaultProxy>();
  #stopping = false;

  constructor(options: FaultProxiesOptions) {
    this.#options = options;
  }

  /** Where each is controlled, by the name of its instance, in the order in which they were begun. */
  get controlAddresses(): ReadonlyMap<string, string> {
    const names = [...this.#processes.keys()];
    return new Map(
      names.flatMap((name) => {
        const running = this.#running.get(name);
        return running === undefined ? [] : [[name, running.controlAddress]];
      }),
    );
  }

  /** The processes, as the next launcher can find them. */
  get records(): readonly ServiceRecord[] {
    return [...this.#processes.values()].flatMap(({ name, pid }) => (pid === undefined ? [] : [{ name, pid, entry }]));
  }

  /** The proxy before the instance `name`: the one that runs, or else one that is started at `host` and `port`. */
  async before(name: string, host: string, port: string): Promise<RunningFaultProxy> {
    const running = this.#running.get(name);
    if (running !== undefined) return running;
    const { cwd, env, logFile, onWarning, untilReady } = this.#options;
    const process = new ServiceProcess({
      name: `${name}-faults`,
      entry,
      cwd,
      env: { ...env, SHOAL_FAULTS_HOST: host, SHOAL_FAULTS_PORT: port },
      logFile: logFile(`${name}-faults`),
      onWarning: (line) => onWarning(`${name}-faults`, line),
    });
    this.#processes.set(name, process);
    const { grpcPort, adminPort } = await untilReady(process);
    void process.ended.then(() => {
      this.#running.delete(name);
      if (this.#stopping) return;
      const message = `the fault proxy before ${name} has ended: ${name} is out of reach until it is started again`;
      onWarning(`${name}-faults`, { level: "error", message });
    });
    const proxy: RunningFaultProxy = {
      port: grpcPort,
      controlAddress: `127.0.0.1:${adminPort}`,
      setTarget: (address) => process.send({ type: "target", address }),
    };
    this.#running.set(name, proxy);
    return proxy;
  }

  /** Ends all. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all([...this.#processes.values()].map((process) => process.stop(stopTimeoutMs)));
  }

  /** Ends all at once. */
  kill(): void {
    this.#stopping = true;
    for (const process of this.#processes.values()) process.kill();
  }
}
