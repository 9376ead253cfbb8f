import { join } from "node:path";
import type { ServiceSpec } from "./services.ts";

/** What a service's settings are taken from. */
export interface ServiceEnvironmentOptions {
  /** The caller's environment: what it sets wins. An empty value counts as not set, as it does for the services. */
  readonly env: NodeJS.ProcessEnv;
  /** Where the embedded databases are kept. */
  readonly dataDirectory: string;
  /** `HOST:PORT` of the services that it calls, by name. */
  readonly addresses: ReadonlyMap<string, string>;
}

/** The environment of a service's process. */
export function serviceEnvironment(spec: ServiceSpec, options: ServiceEnvironmentOptions): NodeJS.ProcessEnv {
  const { env, dataDirectory, addresses } = options;
  const prefix = prefixOf(spec.name);
  const defaults: Record<string, string> = {
    [`${prefix}GRPC_PORT`]: String(spec.grpcPort),
    [`${prefix}DATABASE_URL`]: `sqlite:${join(dataDirectory, `${spec.name}.db`)}`,
  };
  for (const callee of spec.calls) {
    const address = addresses.get(callee);
    if (address !== undefined) defaults[`${prefix}${callee.toUpperCase()}_ADDRESS`] = address;
  }
  const unset = Object.entries(defaults).filter(([name]) => !env[name]);
  return { ...env, ...Object.fromEntries(unset) };
}

/** Whether the caller's environment says where a service keeps its state, so that it is not among the launcher's data. */
export function hasOwnDatabase(name: string, env: NodeJS.ProcessEnv): boolean {
  return Boolean(env[`${prefixOf(name)}DATABASE_URL`]);
}

/** How to reach a service that listens on the host that the environment sets, from this machine. */
export function reachableHost(name: string, env: NodeJS.ProcessEnv): string {
  const host = env[`${prefixOf(name)}HOST`] || "127.0.0.1";
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
}

/** How long a service may take to stop, in milliseconds: its calls at work, its other parts, and some more. */
export function stopTimeoutMs(name: string, env: NodeJS.ProcessEnv): number {
  const drainTimeoutMs = Number(env[`${prefixOf(name)}DRAIN_TIMEOUT_MS`] || defaultDrainTimeoutMs);
  return (Number.isFinite(drainTimeoutMs) ? drainTimeoutMs : defaultDrainTimeoutMs) + 7_000;
}

/** That of the services' own settings. */
const defaultDrainTimeoutMs = 10_000;

function prefixOf(name: string): string {
  return `SHOAL_${name.toUpperCase()}_`;
}
