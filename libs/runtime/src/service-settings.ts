import {
  checkedText,
  duration,
  host,
  integer,
  logLevel,
  oneOf,
  onOrOff,
  parsed,
  port,
  type Setting,
  target,
  text,
} from "@shoal/config";
import { parseRegistryUrl } from "@shoal/discovery";
import { type PolicyOverrides, parsePolicies } from "@shoal/rpc";
import { parseDatabaseUrl } from "@shoal/storage";
import { parseAdvertised } from "./advertised.ts";
import { type CrashAt, parseCrashAt } from "./crash-at.ts";

/** The settings that every service has. */
export interface ServiceSettings {
  readonly host: string;
  readonly grpcPort: number;
  readonly adminPort: number;
  readonly logLevel: "trace" | "debug" | "info" | "warn" | "error" | "fatal";
  /** Empty: nobody may use what needs it. */
  readonly adminToken: string;
  readonly telemetry: boolean;
  readonly accessLog: boolean;
  readonly drainTimeoutMs: number;
  /** The URL of the registry, or `none`. */
  readonly registry: string;
  /** `auto`, `HOST` or `HOST:PORT`. */
  readonly advertise: string;
  readonly zone: string;
  readonly version: string;
  readonly weight: number;
  /** For the service's own methods and for those that it calls. */
  readonly policies: PolicyOverrides;
  /** The path of a file with more of them, or `none`. */
  readonly policiesFile: string;
  readonly loadShedding: boolean;
  /** For tests of what a crash leaves behind. */
  readonly crashAt: CrashAt | undefined;
}

/** Declares them for the service `name`, as `SHOAL_<NAME>_HOST` and so on; `grpcPort` is the port unless set. */
export function serviceSettings(
  name: string,
  grpcPort: number,
): { readonly [K in keyof ServiceSettings]: Setting<ServiceSettings[K]> } {
  const prefix = `SHOAL_${name.toUpperCase()}_`;
  return {
    host: {
      env: `${prefix}HOST`,
      schema: host("127.0.0.1"),
      about: "The address to listen on, for gRPC and admin; 0.0.0.0 for all.",
    },
    grpcPort: {
      env: `${prefix}GRPC_PORT`,
      schema: port(grpcPort),
      about: "The port for gRPC; 0 lets the system choose.",
    },
    adminPort: {
      env: `${prefix}ADMIN_PORT`,
      schema: port(grpcPort + 1_000),
      about: "The port for /healthz, /readyz, /metrics and /debug/...; 0 lets the system choose.",
    },
    logLevel: {
      env: `${prefix}LOG_LEVEL`,
      schema: logLevel(),
      about: "How much is logged.",
    },
    adminToken: {
      env: `${prefix}ADMIN_TOKEN`,
      schema: text(""),
      about: "Whoever sends it, as authorization: Bearer TOKEN, may use /debug/... of the admin port; empty: nobody.",
    },
    telemetry: {
      env: `${prefix}TELEMETRY`,
      schema: onOrOff("on"),
      about:
        "Whether calls, statements and the process are counted, and traced, and the log sent, where OTEL_* say so: on or off.",
    },
    accessLog: {
      env: `${prefix}ACCESS_LOG`,
      schema: onOrOff("on"),
      about: "Whether each call is a line of the log: on or off. Calls that fail for want of something always are.",
    },
    drainTimeoutMs: {
      env: `${prefix}DRAIN_TIMEOUT_MS`,
      schema: duration(10_000, 0, 600_000),
      about: "How long calls at work may take to finish when the service stops, in milliseconds.",
    },
    registry: {
      env: `${prefix}REGISTRY`,
      schema: checkedText("none", (value) => value === "none" || parseRegistryUrl(value)),
      about: "Where services find each other: etcd://HOST:PORT, dns://…, local://HOST:PORT, static:…, or none.",
    },
    advertise: {
      env: `${prefix}ADVERTISE`,
      schema: checkedText("auto", parseAdvertised),
      about: "Where others reach this instance, HOST or HOST:PORT; auto: where it listens, as the registry sees it.",
    },
    zone: {
      env: `${prefix}ZONE`,
      schema: text(""),
      about: "The zone that it runs in: instances of the same zone are called first.",
    },
    version: {
      env: `${prefix}VERSION`,
      schema: text(""),
      about: "What it announces as its version.",
    },
    weight: {
      env: `${prefix}WEIGHT`,
      schema: integer(100, 1, 1_000),
      about: "Its share of the calls beside the other instances'.",
    },
    policies: {
      env: `${prefix}POLICIES`,
      schema: parsed("{}", parsePolicies),
      about: 'What is otherwise than the contracts say, as JSON: {"/package.Service/Method": {"timeout": "2s"}}.',
    },
    policiesFile: {
      env: `${prefix}POLICIES_FILE`,
      schema: text("none"),
      about: "A file that holds more of the same, wins over it, and may be changed while the service runs; or none.",
    },
    loadShedding: {
      env: `${prefix}LOAD_SHEDDING`,
      schema: onOrOff("on"),
      about: "Whether calls are refused when there are more than the service has time for: on or off.",
    },
    crashAt: {
      env: `${prefix}CRASH_AT`,
      schema: parsed("none", parseCrashAt),
      about: "For tests: the process kills itself when it comes to this crash point, POINT or POINT:NTH; or none.",
    },
  };
}

/**
 * The setting of a service that calls another: `SHOAL_<NAME>_<CALLEE>_ADDRESS`. Unless set, the callee's instances are looked up
 * in the registry.
 */
export function addressSetting(name: string, callee: string): Setting<string> {
  const registered = `shoal:///${callee}`;
  return {
    env: `SHOAL_${name.toUpperCase()}_${callee.toUpperCase()}_ADDRESS`,
    schema: target(callee, registered),
    about: `Where the ${callee} service answers: HOST:PORT, or ${registered} with a registry.`,
  };
}

/** The settings of a service that keeps state. */
export interface DatabaseSettings {
  readonly databaseUrl: string;
  /** `apply`: at its start; `require`: it does not start without them; `only`: them, and then it ends. */
  readonly migrations: "apply" | "require" | "only";
}

/** Declares them for the service `name`: `SHOAL_<NAME>_DATABASE_URL` and `SHOAL_<NAME>_MIGRATIONS`. */
export function databaseSettings(name: string): {
  readonly [K in keyof DatabaseSettings]: Setting<DatabaseSettings[K]>;
} {
  const prefix = `SHOAL_${name.toUpperCase()}_`;
  return {
    databaseUrl: {
      env: `${prefix}DATABASE_URL`,
      schema: checkedText(`sqlite:.shoal/${name}.db`, parseDatabaseUrl),
      about: "Where the state is kept: sqlite:PATH or mysql://USER:PASSWORD@HOST:PORT/DATABASE.",
    },
    migrations: {
      env: `${prefix}MIGRATIONS`,
      schema: oneOf("apply", "require", "only"),
      about:
        "What brings the schema up to date: apply: this process does, before it serves. require: another has, or it does not start. only: it does, and ends.",
    },
  };
}
