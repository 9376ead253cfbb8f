import { tasksAtWork } from "@shoal/concurrency";
import { openRegistry, type Registry } from "@shoal/discovery";
import { ProcessShedder } from "@shoal/resilience";
import {
  type ClientOptions,
  clientTelemetry,
  createServer,
  LivePolicies,
  type PolicyOverrides,
  type ServerOptions,
  serverTelemetry,
} from "@shoal/rpc";
import { createEventCounter, type Instruments, type Logger, type Metrics, type Telemetry } from "@shoal/telemetry";
import { startAdminServer } from "./admin-server.ts";
import { Announcement, announcementOf } from "./announcement.ts";
import { createCallLog } from "./call-log.ts";
import { Lifecycle } from "./lifecycle.ts";
import { PoliciesFile } from "./policies-file.ts";
import { countAnswers } from "./registry-metrics.ts";
import { createResilienceLog } from "./resilience-log.ts";
import { watchService } from "./service-gauges.ts";
import type { ServiceSettings } from "./service-settings.ts";

/** What a service gets to build itself from. */
export interface ServiceParts<S> {
  readonly settings: S;
  readonly log: Logger;
  /** Where to say what must be ended, as soon as it is begun. */
  readonly lifecycle: Lifecycle;
  /** What its clients of other services are made with, besides their addresses. */
  readonly clientOptions: Pick<ClientOptions, "registry" | "zone" | "policies" | "onResilienceEvent" | "telemetry">;
  /**
   * What its databases, batches and other parts are seen by, and where it counts what only it knows of. `undefined` where
   * nothing is.
   */
  readonly telemetry: Instruments | undefined;
}

/** What a service serves, and what stands around its handlers. */
export interface BuiltService extends Pick<ServerOptions, "services" | "identify" | "admission" | "middleware"> {
  /** What of its parts is in use now, and for how long: what `/debug/handles` shows. Default: nothing. */
  readonly inUse?: () => unknown;
}

/** A service: its name, and how it is built. */
export interface ServiceDefinition<S extends ServiceSettings> {
  /** Lower case, such as `order`; its errors belong to the domain `shoal.order`. */
  readonly name: string;
  /** Opens what is needed, wires it, and answers what to serve. Runs before anything listens for calls. */
  build(parts: ServiceParts<S>): Promise<BuiltService>;
  /**
   * What its process does instead of serving, where the settings ask for that; it ends after that, with what is answered as its
   * last line of the log. Only for {@link runService}.
   */
  readonly insteadOfServing?: (settings: S) => (() => Promise<string>) | undefined;
}

/** A service that takes calls. */
export interface RunningService {
  readonly grpcPort: number;
  readonly adminPort: number;
  /** Refuses new calls, lets those at work finish (within `drainTimeoutMs`), ends everything. Never rejects. */
  stop(): Promise<void>;
}

/**
 * Starts a service within this process: admin endpoint, then what `build` opens, then the gRPC server, then ready.
 * When a step fails, what was begun is ended and the step's error is passed on. The caller stops it.
 *
 * It is seen by `telemetry`, whatever the settings say of that, and not at all without. That stays the caller's, who ends it
 * when there is nothing more to log.
 */
export async function startService<S extends ServiceSettings>(
  definition: ServiceDefinition<S>,
  settings: S,
  log: Logger,
  telemetry?: Telemetry,
): Promise<RunningService> {
  const lifecycle = new Lifecycle((part, error) => log.error({ err: error, part }, "a part failed to end"));
  requireRegistry(definition.name, settings);
  let built: BuiltService | undefined;
  try {
    const admin = await startAdminServer(settings.host, settings.adminPort, {
      token: settings.adminToken,
      log,
      inUse: () => ({ tasks: tasksAtWork(), parts: built?.inUse?.() }),
    }).catch((error) => {
      throw listenError(error, definition.name, "ADMIN_PORT", settings.adminPort);
    });
    lifecycle.onStop("admin server", () => admin.close());
    if (telemetry !== undefined) admin.setMetrics(() => telemetry.expose());
    const { zone } = settings;
    const registry = openSettingsRegistry(settings, log, lifecycle, telemetry?.metrics);
    const policies = openPolicies(definition.name, settings, log, lifecycle);
    const { onClientEvent, onShedding, onRefused } = createResilienceLog(
      log,
      telemetry === undefined ? () => {} : createEventCounter(telemetry.metrics),
    );
    const clientOptions = {
      registry,
      zone,
      policies,
      onResilienceEvent: onClientEvent,
      telemetry: telemetry && clientTelemetry(telemetry),
    };
    const shedder = settings.loadShedding ? new ProcessShedder({ onEvent: onShedding }) : undefined;
    lifecycle.onStop("load shedder", () => shedder?.stop());
    built = await definition.build({ settings, log, lifecycle, clientOptions, telemetry });
    const server = createServer({
      ...built,
      ...(telemetry && { telemetry: serverTelemetry(telemetry) }),
      policies,
      shedder,
      onRefused,
      errorDomain: `shoal.${definition.name}`,
      onCallEnd: createCallLog(log, settings.accessLog),
    });
    if (telemetry !== undefined) watchService(telemetry.metrics, server, shedder);
    let announcement: Announcement | undefined;
    lifecycle.onStop("gRPC server", async () => {
      const { forced } = await server.drain(settings.drainTimeoutMs, async () => await announcement?.end());
      if (forced)
        log.warn({ drainTimeoutMs: settings.drainTimeoutMs }, "calls were ended: they took too long to finish");
    });
    const grpcPort = await server.listen({ host: settings.host, port: settings.grpcPort }).catch((error) => {
      throw listenError(error, definition.name, "GRPC_PORT", settings.grpcPort);
    });
    if (registry !== undefined) {
      announcement = new Announcement(registry, () => announcementOf(definition.name, settings, grpcPort), log);
      await announcement.begin();
    }
    admin.setReady(true);
    lifecycle.onStop("readiness", () => admin.setReady(false));
    return { grpcPort, adminPort: admin.port, stop: () => lifecycle.stop() };
  } catch (error) {
    await lifecycle.stop();
    throw error;
  }
}

/** In words for whoever sets it: a client that finds no registry could tell of its own option only. */
function requireRegistry(service: string, settings: ServiceSettings): void {
  if (settings.registry !== "none") return;
  const lookedUp = Object.values(settings).find((value) => /^shoal:\/\/\//.test(String(value)));
  if (lookedUp === undefined) return;
  const variable = `SHOAL_${service.toUpperCase()}_REGISTRY`;
  throw new Error(
    `${lookedUp} is looked up in a registry, and none is set; set ${variable}, such as to etcd://HOST:PORT, or its address`,
  );
}

/** What the settings name; it is closed after everything that leans on it. */
function openSettingsRegistry(
  settings: ServiceSettings,
  log: Logger,
  lifecycle: Lifecycle,
  metrics: Metrics | undefined,
): Registry | undefined {
  if (settings.registry === "none") return undefined;
  const registry = openRegistry(settings.registry, { onProblem: (err) => log.warn({ err }, "registry") });
  lifecycle.onStop("registry", () => registry.close());
  return metrics === undefined ? registry : countAnswers(registry, metrics);
}

/** What the settings, and the file that they name, set otherwise than the contracts. */
function openPolicies(
  service: string,
  { policies, policiesFile }: ServiceSettings,
  log: Logger,
  lifecycle: Lifecycle,
): LivePolicies {
  let live = new LivePolicies(policies);
  if (policiesFile !== "none") {
    const file = openPoliciesFile(service, policiesFile, policies, log);
    lifecycle.onStop("policies' file", () => file.stop());
    live = file.policies;
  }
  // What was decided elsewhere than in the contracts should be seen.
  if (Object.keys(live.overrides).length > 0)
    log.info({ policies: live.overrides }, "policies that are set otherwise than the contracts");
  return live;
}

function openPoliciesFile(service: string, path: string, base: PolicyOverrides, log: Logger): PoliciesFile {
  try {
    return new PoliciesFile(path, base, log);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${why}; mend it, or set SHOAL_${service.toUpperCase()}_POLICIES_FILE to another file, or to none`);
  }
}

/** The system's error in words that say what to do. */
function listenError(error: unknown, service: string, setting: string, port: number): unknown {
  const variable = `SHOAL_${service.toUpperCase()}_${setting}`;
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EADDRINUSE")
    return new Error(`port ${port} is in use by another program; stop that, or set ${variable} to a free port`, {
      cause: error,
    });
  if (code === "EACCES")
    return new Error(`port ${port} may not be used by this user; set ${variable} to one above 1023`, { cause: error });
  return error;
}
