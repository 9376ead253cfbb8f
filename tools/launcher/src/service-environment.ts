import { join } from "node:path";
import { gateway, type ServiceSpec, services } from "@shoal/services";
import { LaunchError } from "./launch-error.ts";

/** What a service's settings are taken from. */
export interface ServiceEnvironmentOptions {
  /** The caller's environment: what it sets wins. An empty value counts as not set, as it does for the services. */
  readonly env: NodeJS.ProcessEnv;
  /** Where the embedded databases are kept. */
  readonly dataDirectory: string;
  /** `HOST:PORT` of the services that it calls, by name. */
  readonly addresses: ReadonlyMap<string, string>;
  /** What opens `/debug/…` of their admin ports. */
  readonly adminToken: string;
  /** Where they find each other, unless the caller's environment says otherwise. */
  readonly registryUrl: string;
}

/**
 * The environment of the process of a service's `number`th instance. The ports are the first one's; the others take any
 * that are free. With a registry they look for each other there, else at each other's addresses.
 */
export function serviceEnvironment(
  spec: ServiceSpec,
  number: number,
  options: ServiceEnvironmentOptions,
): NodeJS.ProcessEnv {
  const { env, dataDirectory, adminToken, addresses, registryUrl } = options;
  const prefix = variablePrefix(spec.name);
  const defaults: Record<string, string> = {
    [`${prefix}GRPC_PORT`]: String(spec.grpcPort),
    ...(spec.storage === "sql" && { [`${prefix}DATABASE_URL`]: databaseUrlIn(dataDirectory, spec.name, env) }),
    [`${prefix}REGISTRY`]: registryUrl,
    [`${prefix}ADMIN_TOKEN`]: adminToken,
  };
  for (const callee of spec.calls) {
    const address = env[`${prefix}REGISTRY`] === "none" ? addresses.get(callee) : `shoal:///${callee}`;
    if (address !== undefined) defaults[`${prefix}${callee.toUpperCase()}_ADDRESS`] = address;
  }
  const unset = Object.entries(defaults).filter(([name]) => !env[name]);
  return { ...env, ...Object.fromEntries(unset), ...(number > 1 && anyPortsOf(spec.name)) };
}

/** What settings begin with besides a service's name: of the registry, of tools, and of tests. */
const otherSettings = new Set(["REGISTRY", "DEMO", "COMPOSE", "TEST", "BREAKING"]);

/** The settings of an environment that look like those of a service, which there is not: mostly a name misspelt. */
export function settingsOfNobody(env: NodeJS.ProcessEnv): readonly string[] {
  const known = new Set([...otherSettings, ...[...services, gateway].map(({ name }) => name.toUpperCase())]);
  return Object.keys(env).filter((name) => {
    const [, owner] = /^SHOAL_([A-Z0-9]+)_/.exec(name) ?? [];
    return owner !== undefined && !known.has(owner);
  });
}

/** An environment in which every service of Shoal, and the registry, listens at ports that are free. */
export const anyPorts: Readonly<Record<string, string>> = Object.freeze({
  SHOAL_REGISTRY_PORT: "0",
  ...Object.assign({}, ...services.map(({ name }) => anyPortsOf(name))),
});

function anyPortsOf(name: string): Readonly<Record<string, string>> {
  const prefix = variablePrefix(name);
  return { [`${prefix}GRPC_PORT`]: "0", [`${prefix}ADMIN_PORT`]: "0" };
}

/** The URL of a service's database: what the environment says, else that of an embedded one in `dataDirectory`. */
export function databaseUrlIn(dataDirectory: string, name: string, env: NodeJS.ProcessEnv): string {
  return env[`${variablePrefix(name)}DATABASE_URL`] || `sqlite:${join(dataDirectory, `${name}.db`)}`;
}

/** Where the registry listens that the launcher brings along: SHOAL_REGISTRY_PORT, else 50050; 0: the system chooses. */
export function registryPort(env: NodeJS.ProcessEnv): number {
  const text = env["SHOAL_REGISTRY_PORT"] || "50050";
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw new LaunchError(`SHOAL_REGISTRY_PORT must be a port from 0 to 65535, not "${text}".`);
}

/** Whether the caller's environment says where a service keeps its state, so that it is not among the launcher's data. */
export function hasOwnDatabase(name: string, env: NodeJS.ProcessEnv): boolean {
  return Boolean(env[`${variablePrefix(name)}DATABASE_URL`]);
}

/** How to reach a service that listens on the host that the environment sets, from this machine. */
export function reachableHost(name: string, env: NodeJS.ProcessEnv): string {
  const host = env[`${variablePrefix(name)}HOST`] || "127.0.0.1";
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
}

/** How long a service may take to stop, in milliseconds: its calls at work, its other parts, its last lines, and some more. */
export function stopTimeoutMs(name: string, env: NodeJS.ProcessEnv): number {
  const drainTimeoutMs = Number(env[`${variablePrefix(name)}DRAIN_TIMEOUT_MS`] || defaultDrainTimeoutMs);
  return (Number.isFinite(drainTimeoutMs) ? drainTimeoutMs : defaultDrainTimeoutMs) + 9_000;
}

/** That of the services' own settings. */
const defaultDrainTimeoutMs = 10_000;

/** What the names of a service's settings begin with, such as `SHOAL_ORDER_`. */
export function variablePrefix(name: string): string {
  return `SHOAL_${name.toUpperCase()}_`;
}
