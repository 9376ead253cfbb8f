import { type Home, openHome, type ServiceRecord } from "./home.ts";
import { LaunchError } from "./launch-error.ts";
import type { LogLine } from "./log-line.ts";
import { reachableHost, serviceEnvironment, stopTimeoutMs } from "./service-environment.ts";
import { type ServiceEnd, ServiceProcess } from "./service-process.ts";
import { repositoryRoot, type ServiceSpec } from "./services.ts";

/** How a stack is started, and who is told of it. */
export interface StackOptions {
  /** Callees before their callers. */
  readonly services: readonly ServiceSpec[];
  /** The folder for data and logs, for this stack alone. */
  readonly home: string;
  /** Where the services' settings come from. */
  readonly env: NodeJS.ProcessEnv;
  /** Deletes the data of earlier runs. */
  readonly fresh: boolean;
  readonly onReady: (service: ServiceAddress) => void;
  /** Told of each line from `warn` up in a service's log. */
  readonly onWarning: (service: string, line: LogLine) => void;
  /** Told when a service that took calls ends without having been asked to. */
  readonly onDeath: (end: ServiceEnd) => void;
  /** Told when services that outlived their launcher must end first. */
  readonly onWait: (services: readonly ServiceRecord[]) => void;
}

/** A service that takes calls. */
export interface ServiceAddress {
  readonly name: string;
  readonly pid: number;
  /** `HOST:PORT` for gRPC. */
  readonly grpcAddress: string;
  /** `HOST:PORT` for HTTP: `/healthz`, `/readyz`. */
  readonly adminAddress: string;
  /** From the start of its process, in milliseconds. */
  readonly startedInMs: number;
}

/** How long a service may take until it takes calls, in milliseconds. */
const readyTimeoutMs = 60_000;

/**
 * All services, each in a process of its own. States: new → starting → running → stopped; a start that fails, or is
 * stopped, goes to stopped.
 */
export class Stack {
  readonly #options: StackOptions;
  readonly #stopAsked = new AbortController();
  readonly #processes = new Map<string, ServiceProcess>();
  readonly #addresses = new Map<string, ServiceAddress>();
  #home: Home | undefined;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: StackOptions) {
    this.#options = options;
  }

  /** The services that have become ready, in the order of the list. */
  get addresses(): readonly ServiceAddress[] {
    return this.#options.services.flatMap(({ name }) => this.#addresses.get(name) ?? []);
  }

  /**
   * Starts all services: each once those that it calls are ready. Rejects with a {@link LaunchError} that names the
   * one that failed, or with the reason of {@link stop}; the others are stopped by then.
   */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  /** Starts a service that has died again, where it was. */
  async restart(name: string): Promise<ServiceAddress> {
    const before = this.#addresses.get(name);
    const spec = this.#options.services.find((service) => service.name === name);
    if (before === undefined || spec === undefined) throw new Error(`${name} has not been started`);
    await this.#processes.get(name)?.ended;
    const variable = `SHOAL_${name.toUpperCase()}_`;
    return await this.#startService(spec, {
      [`${variable}GRPC_PORT`]: portOf(before.grpcAddress),
      [`${variable}ADMIN_PORT`]: portOf(before.adminAddress),
    });
  }

  /** Drains and stops everything, each service before those that it calls. Bounded; never rejects. */
  stop(): Promise<void> {
    this.#stopAsked.abort(new LaunchError("The start was interrupted."));
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Ends all processes at once, without draining. */
  kill(): void {
    this.#stopAsked.abort(new LaunchError("The start was interrupted."));
    for (const service of this.#processes.values()) service.kill();
  }

  async #start(): Promise<void> {
    const { services, home, fresh, onWait } = this.#options;
    const { signal } = this.#stopAsked;
    signal.throwIfAborted();
    this.#home = await openHome(home, { fresh, onWait, signal });
    const ready = new Map<string, Promise<ServiceAddress>>();
    for (const spec of services) {
      const callees = Promise.all(spec.calls.map((name) => ready.get(name)));
      ready.set(
        spec.name,
        callees.then(() => this.#startService(spec)),
      );
    }
    try {
      await Promise.all(ready.values());
    } catch (error) {
      const reason = signal.aborted ? signal.reason : error;
      // Not awaited by stop() itself, which waits for this start.
      await this.#stopServices();
      throw reason;
    }
  }

  async #startService(spec: ServiceSpec, environment: NodeJS.ProcessEnv = {}): Promise<ServiceAddress> {
    const { env, onReady, onWarning } = this.#options;
    const { name, entry } = spec;
    const { signal } = this.#stopAsked;
    const home = this.#home;
    signal.throwIfAborted();
    if (home === undefined) throw new Error("the stack is not running");
    const began = performance.now();
    const addresses = new Map(this.addresses.map((service) => [service.name, service.grpcAddress]));
    const service = new ServiceProcess({
      name,
      entry,
      cwd: repositoryRoot,
      env: { ...serviceEnvironment(spec, { env, dataDirectory: home.dataDirectory, addresses }), ...environment },
      logFile: home.logFile(name),
      onWarning: (line) => onWarning(name, line),
    });
    this.#processes.set(name, service);
    home.record(this.#records());
    const { grpcPort, adminPort } = await this.#untilReady(service);
    const host = reachableHost(name, env);
    const address: ServiceAddress = {
      name,
      pid: service.pid ?? 0,
      grpcAddress: `${host}:${grpcPort}`,
      adminAddress: `${host}:${adminPort}`,
      startedInMs: performance.now() - began,
    };
    this.#addresses.set(name, address);
    void service.ended.then((end) => {
      if (!signal.aborted) this.#options.onDeath(end);
    });
    onReady(address);
    return address;
  }

  #untilReady(service: ServiceProcess): ServiceProcess["ready"] {
    return new Promise((resolve, reject) => {
      const { signal } = this.#stopAsked;
      const timer = setTimeout(() => {
        reject(new LaunchError(`${service.name} has not become ready within ${readyTimeoutMs / 1_000} seconds.`));
      }, readyTimeoutMs);
      const stop = () => {
        clearTimeout(timer);
        reject(signal.reason);
      };
      signal.addEventListener("abort", stop, { once: true });
      const settled = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", stop);
      };
      void service.ready.then((message) => {
        settled();
        resolve(message);
      });
      void service.ended.then((end) => {
        settled();
        reject(new LaunchError(`${service.name} could not start: ${describeEnd(end)}`));
      });
    });
  }

  async #stop(): Promise<void> {
    // What a start has begun it also ends.
    await this.#starting?.catch(() => undefined);
    await this.#stopServices();
  }

  async #stopServices(): Promise<void> {
    const { services, env, onWarning } = this.#options;
    this.#stopAsked.abort(new LaunchError("The start was interrupted."));
    const stopped = new Map<string, Promise<void>>();
    for (const { name } of services.toReversed()) {
      const service = this.#processes.get(name);
      const callers = services.filter(({ calls }) => calls.includes(name)).map((caller) => stopped.get(caller.name));
      stopped.set(
        name,
        Promise.all(callers).then(async () => {
          if (service === undefined) return;
          const { forced } = await service.stop(stopTimeoutMs(name, env));
          if (forced) onWarning(name, { level: "warn", message: "did not stop in time and was ended" });
        }),
      );
    }
    await Promise.all(stopped.values());
    this.#home?.close();
    this.#home = undefined;
  }

  #records(): ServiceRecord[] {
    return this.#options.services.flatMap(({ name, entry }) => {
      const pid = this.#processes.get(name)?.pid;
      return pid === undefined ? [] : [{ name, pid, entry }];
    });
  }
}

/** How a service ended, for people: its exit code or signal, what it said last, and where its log is. */
export function describeEnd({ code, signal, logFile, lastWords }: ServiceEnd): string {
  const how = signal !== null ? `ended by ${signal}` : code !== null ? `exit code ${code}` : "no process";
  return [`${how}. Its log: ${logFile}`, ...lastWords.map((line) => `    ${line}`)].join("\n");
}

function portOf(address: string): string {
  return address.slice(address.lastIndexOf(":") + 1);
}
