import { join, resolve } from "node:path";
import { repositoryRoot, type ServiceSpec, services } from "@shoal/services";
import { dataDirectoryIn } from "./home.ts";
import { databaseUrlIn } from "./service-environment.ts";
import { type ServiceAddress, Stack, type StackOptions } from "./stack.ts";

/** How {@link launch} starts the services; everything has a default. */
export interface LaunchOptions extends Partial<StackOptions> {}

/** Services that run, until they are stopped. */
export interface Launched {
  /** All instances, in the order of the list: user, inventory, order. */
  readonly services: readonly ServiceAddress[];
  /** Where the services find each other: what `openRegistry` takes. */
  readonly registryUrl: string;
  /** An instance by its name: `order` is the first one, `order-2` the second. Throws an `Error` for a name that none has. */
  service(name: string): ServiceAddress;
  /**
   * `HOST:PORT` where the fault proxy before an instance is controlled, by `GET` and `PUT /faults`: another one once the proxy
   * has died and been started again. Throws an `Error` for an instance that has none: without `faults` none has.
   */
  faultControl(name: string): string;
  /**
   * Starts an instance that has died again, at the same addresses, with `env` besides the environment it had at first. Rejects
   * with a `LaunchError` when it ends before it takes calls, or is ended because it takes none in time.
   */
  restart(name: string, env?: Readonly<Record<string, string>>): Promise<ServiceAddress>;
  /** Drains and stops all. Never rejects. */
  stop(): Promise<void>;
  /** Ends all processes at once. */
  kill(): void;
}

/** The folder for data and logs, as an absolute path: SHOAL_HOME, else `.shoal` in the repository. */
export function homeOf(env: NodeJS.ProcessEnv): string {
  return resolve(env["SHOAL_HOME"] || join(repositoryRoot, ".shoal"));
}

/** The URL of the database in which a service that is launched in this environment keeps its state. */
export function databaseUrlOf(service: string, env: NodeJS.ProcessEnv): string {
  return databaseUrlIn(dataDirectoryIn(homeOf(env)), service, env);
}

/**
 * Starts the services of Shoal, each in a process of its own, and resolves when all take calls. Defaults: all services, one
 * instance of each, no fault proxies, a minute until a process is ready, this process's environment, `.shoal/` (or SHOAL_HOME),
 * earlier data kept, events untold. Rejects with a `LaunchError`, with nothing left running. The caller stops it; if this process ends without, the services stop.
 */
export async function launch(options: LaunchOptions = {}): Promise<Launched> {
  const stack = createStack(options);
  await stack.start();
  const { registryUrl = "" } = stack;
  return {
    registryUrl,
    get services() {
      return stack.addresses;
    },
    service: (name) => {
      const found = stack.addresses.find((service) => service.name === name);
      if (found === undefined) throw new Error(`there is no service ${name}`);
      return found;
    },
    faultControl: (name) => {
      const address = stack.faultControls.get(name);
      if (address === undefined) throw new Error(`there is no fault proxy before ${name}`);
      return address;
    },
    restart: (name, env) => stack.restart(name, env),
    stop: () => stack.stop(),
    kill: () => stack.kill(),
  };
}

/** A stack with the defaults of {@link launch}, not started. */
export function createStack(options: LaunchOptions): Stack {
  const env = options.env ?? process.env;
  const ignore = () => {};
  return new Stack({
    services: services as readonly ServiceSpec[],
    scale: new Map(),
    home: homeOf(env),
    fresh: false,
    faults: false,
    readyTimeoutMs: 60_000,
    onReady: ignore,
    onWarning: ignore,
    onDeath: ignore,
    onWait: ignore,
    ...options,
    env,
  });
}
