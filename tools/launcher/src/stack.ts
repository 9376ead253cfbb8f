import { createLocalRegistryServer, type LocalRegistryServer } from "@shoal/discovery";
import { repositoryRoot, type ServiceSpec } from "@shoal/services";
import { lastingPort } from "@shoal/testkit/lasting-port";
import { removeFaultControls, writeFaultControls } from "./fault-controls.ts";
import { FaultProxies } from "./fault-proxies.ts";
import { type Home, openHome, type ServiceRecord } from "./home.ts";
import { LaunchError } from "./launch-error.ts";
import type { LogLine } from "./log-line.ts";
import {
  reachableHost,
  registryPort,
  serviceEnvironment,
  stopTimeoutMs,
  variablePrefix,
} from "./service-environment.ts";
import { type ServiceEnd, ServiceProcess } from "./service-process.ts";

/** How a stack is started, and who is told of it. */
export interface StackOptions {
  /** Callees before their callers. */
  readonly services: readonly ServiceSpec[];
  /** How many instances of a service there are, by its name; one of those that are not named. */
  readonly scale: ReadonlyMap<string, number>;
  /** The folder for data and logs, for this stack alone. */
  readonly home: string;
  /** Where the services' settings come from. */
  readonly env: NodeJS.ProcessEnv;
  /** Deletes the data of earlier runs. */
  readonly fresh: boolean;
  /** Puts a fault proxy before every instance, at the address that the instance would have. */
  readonly faults: boolean;
  /** How long a process may take until it is ready, in milliseconds; then it is ended. */
  readonly readyTimeoutMs: number;
  readonly onReady: (service: ServiceAddress) => void;
  /** Told of each line from `warn` up in a service's log. */
  readonly onWarning: (service: string, line: LogLine) => void;
  /** Told when a service that took calls ends without having been asked to. */
  readonly onDeath: (end: ServiceEnd) => void;
  /** Told when services that outlived their launcher must end first. */
  readonly onWait: (services: readonly ServiceRecord[]) => void;
}

/** An instance of a service that takes calls. */
export interface ServiceAddress {
  /** The service's name for its first instance; the others are `order-2`, `order-3` and so on. */
  readonly name: string;
  readonly service: string;
  readonly pid: number;
  /** `HOST:PORT` for gRPC: that of its fault proxy, where it has one. */
  readonly grpcAddress: string;
  /** `HOST:PORT` for HTTP: `/healthz`, `/readyz`. */
  readonly adminAddress: string;
  /** From the start of its process, in milliseconds. */
  readonly startedInMs: number;
}

/** An instance of a service, running or not. */
interface InstanceSpec {
  readonly name: string;
  readonly service: ServiceSpec;
  /** From 1. */
  readonly number: number;
}

/**
 * All services, each instance in a process of its own, the registry that they find each other in, and, where asked for, a
 * fault proxy before each instance. States: new → starting → running → stopped; a start that fails, or is stopped, goes to
 * stopped.
 */
export class Stack {
  readonly #options: StackOptions;
  readonly #instances: readonly InstanceSpec[];
  readonly #stopAsked = new AbortController();
  readonly #processes = new Map<string, ServiceProcess>();
  readonly #addresses = new Map<string, ServiceAddress>();
  #home: Home | undefined;
  #proxies: FaultProxies | undefined;
  #registry: LocalRegistryServer | undefined;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: StackOptions) {
    this.#options = options;
    this.#instances = options.services.flatMap((service) =>
      Array.from({ length: options.scale.get(service.name) ?? 1 }, (_, index) => ({
        name: index === 0 ? service.name : `${service.name}-${index + 1}`,
        service,
        number: index + 1,
      })),
    );
  }

  /** The instances that have become ready, in the order of the list. */
  get addresses(): readonly ServiceAddress[] {
    return this.#instances.flatMap(({ name }) => this.#addresses.get(name) ?? []);
  }

  /** The instances of the same service as `name`, itself left out, that run. */
  othersOf(name: string): readonly ServiceAddress[] {
    const service = this.#instances.find((instance) => instance.name === name)?.service.name;
    const others = this.addresses.filter((address) => address.service === service && address.name !== name);
    return others.filter((other) => this.#processes.get(other.name)?.running === true);
  }

  /** `HOST:PORT` of the control endpoint of each instance's fault proxy, by the instance's name. */
  get faultControls(): ReadonlyMap<string, string> {
    return this.#proxies?.controlAddresses ?? new Map();
  }

  /** The URL of the registry that the services find each other in, once it runs. */
  get registryUrl(): string | undefined {
    return this.#registry && `local://${this.#registry.address}`;
  }

  /**
   * Starts all services: each once those that it calls are ready. Rejects with a {@link LaunchError} that names the
   * one that failed, or with the reason of {@link stop}; the others are stopped by then.
   */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  /** Starts an instance that has died again, where it was, with `environment` besides what it had at first. */
  async restart(name: string, environment: NodeJS.ProcessEnv = {}): Promise<ServiceAddress> {
    const before = this.#addresses.get(name);
    const instance = this.#instances.find((one) => one.name === name);
    if (before === undefined || instance === undefined) throw new Error(`${name} has not been started`);
    await this.#processes.get(name)?.ended;
    const variable = variablePrefix(instance.service.name);
    return await this.#startInstance(instance, {
      ...environment,
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
    this.#proxies?.kill();
  }

  async #start(): Promise<void> {
    const { services, home, fresh, onWait } = this.#options;
    const { signal } = this.#stopAsked;
    signal.throwIfAborted();
    this.#home = await openHome(home, { fresh, onWait, signal });
    removeFaultControls(home);
    if (this.#options.faults) this.#proxies = this.#createProxies(this.#home);
    const ready = new Map<string, Promise<unknown>>();
    try {
      this.#registry = await startRegistry(registryPort(this.#options.env));
      for (const { name, calls } of services) {
        const callees = Promise.all(calls.map((callee) => ready.get(callee)));
        const instances = this.#instances.filter(({ service }) => service.name === name);
        ready.set(
          name,
          callees.then(() => Promise.all(instances.map((instance) => this.#startInstance(instance)))),
        );
      }
      await Promise.all(ready.values());
    } catch (error) {
      const reason = signal.aborted ? signal.reason : error;
      // Not awaited by stop() itself, which waits for this start.
      await this.#stopServices();
      throw reason;
    }
  }

  async #startInstance(instance: InstanceSpec, environment: NodeJS.ProcessEnv = {}): Promise<ServiceAddress> {
    const { env, onReady, onWarning } = this.#options;
    const { name, service: spec, number } = instance;
    const { signal } = this.#stopAsked;
    const { registryUrl } = this;
    const home = this.#home;
    signal.throwIfAborted();
    if (home === undefined || registryUrl === undefined) throw new Error("the stack is not running");
    const began = performance.now();
    const addresses = new Map(this.addresses.map((service) => [service.name, service.grpcAddress]));
    const { dataDirectory, adminToken, compiledDirectory } = home;
    const settings = await atLastingPorts(spec.name, {
      NODE_COMPILE_CACHE: compiledDirectory,
      ...serviceEnvironment(spec, number, { env, dataDirectory, adminToken, addresses, registryUrl }),
      ...environment,
    });
    const variable = variablePrefix(spec.name);
    const host = reachableHost(spec.name, env);
    const listening = settings[`${variable}HOST`] || "127.0.0.1";
    const proxyPort = await this.#proxies?.before(name, listening, settings[`${variable}GRPC_PORT`] || "0");
    const behindProxy = proxyPort && {
      [`${variable}GRPC_PORT`]: "0",
      [`${variable}ADVERTISE`]: `${host}:${proxyPort}`,
    };
    signal.throwIfAborted();
    const service = new ServiceProcess({
      name,
      entry: spec.entry,
      cwd: repositoryRoot,
      env: { ...settings, ...behindProxy },
      logFile: home.logFile(name),
      onWarning: (line) => onWarning(name, line),
    });
    this.#processes.set(name, service);
    home.record(this.#records());
    const { grpcPort, adminPort } = await this.#untilReady(service);
    this.#proxies?.setTarget(name, `${host}:${grpcPort}`);
    const address: ServiceAddress = {
      name,
      service: spec.name,
      pid: service.pid ?? 0,
      grpcAddress: `${host}:${proxyPort ?? grpcPort}`,
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
      const { readyTimeoutMs } = this.#options;
      const timer = setTimeout(() => {
        // Whoever starts it again waits for its end.
        service.kill();
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
    const stopInstance = async (name: string, service: string) => {
      const { forced } = (await this.#processes.get(name)?.stop(stopTimeoutMs(service, env))) ?? { forced: false };
      if (forced) onWarning(name, { level: "warn", message: "did not stop in time and was ended" });
    };
    for (const { name } of services.toReversed()) {
      const callers = services.filter(({ calls }) => calls.includes(name)).map((caller) => stopped.get(caller.name));
      const instances = this.#instances.filter(({ service }) => service.name === name);
      stopped.set(
        name,
        Promise.all(callers)
          .then(() => Promise.all(instances.map((instance) => stopInstance(instance.name, name))))
          .then(() => undefined),
      );
    }
    await Promise.all(stopped.values());
    await this.#proxies?.stop();
    if (this.#home !== undefined) removeFaultControls(this.#options.home);
    await this.#registry?.close();
    this.#registry = undefined;
    this.#home?.close();
    this.#home = undefined;
  }

  #createProxies(home: Home): FaultProxies {
    const { env, onWarning } = this.#options;
    return new FaultProxies({
      cwd: repositoryRoot,
      env,
      logFile: home.logFile,
      onWarning,
      onChange: () => {
        home.record(this.#records());
        writeFaultControls(this.#options.home, this.faultControls);
      },
      untilReady: (process) => this.#untilReady(process),
      signal: this.#stopAsked.signal,
    });
  }

  #records(): ServiceRecord[] {
    const services = this.#instances.flatMap(({ name, service: { entry } }) => {
      const pid = this.#processes.get(name)?.pid;
      return pid === undefined ? [] : [{ name, pid, entry }];
    });
    return [...services, ...(this.#proxies?.records ?? [])];
  }
}

async function startRegistry(port: number): Promise<LocalRegistryServer> {
  try {
    return await createLocalRegistryServer({ host: "127.0.0.1", port });
  } catch (error) {
    if ((error as { code?: unknown }).code !== "EADDRINUSE") throw error;
    throw new LaunchError(
      `Port ${port}, where the services would find each other, is in use by another program; stop that, or set SHOAL_REGISTRY_PORT to a free port.`,
      { cause: error },
    );
  }
}

/** How a service ended, for people: its exit code or signal, what it said last, and where its log is. */
export function describeEnd({ code, signal, logFile, lastWords }: ServiceEnd): string {
  const how = signal !== null ? `ended by ${signal}` : code !== null ? `exit code ${code}` : "no process";
  return [`${how}. Its log: ${logFile}`, ...lastWords.map((line) => `    ${line}`)].join("\n");
}

/** The settings with ports, instead of any, that the instance finds free when it is started again where it was. */
async function atLastingPorts(service: string, settings: NodeJS.ProcessEnv): Promise<NodeJS.ProcessEnv> {
  const lasting = { ...settings };
  for (const setting of ["GRPC_PORT", "ADMIN_PORT"]) {
    const name = `${variablePrefix(service)}${setting}`;
    if (settings[name] === "0") lasting[name] = String(await lastingPort());
  }
  return lasting;
}

function portOf(address: string): string {
  return address.slice(address.lastIndexOf(":") + 1);
}
