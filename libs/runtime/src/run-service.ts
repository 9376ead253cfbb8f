import { setTimeout as sleep } from "node:timers/promises";
import { readSettings, type Setting, SettingsError } from "@shoal/config";
import { createLogger, startTelemetry, type Telemetry, watchProcess } from "@shoal/telemetry";
import { armCrash } from "./crash-at.ts";
import type { ServiceSettings } from "./service-settings.ts";
import { type ServiceDefinition, startService } from "./start-service.ts";

/** What a service tells a parent that started it with an IPC channel, once it takes calls. */
export interface ReadyMessage {
  readonly type: "ready";
  readonly service: string;
  readonly grpcPort: number;
  readonly adminPort: number;
}

/**
 * For how long a process in which something failed that nobody caught tries to send what it said of that, in milliseconds: so
 * long it goes on in a state that nobody knows.
 */
const crashGraceMs = 250;

/** How long the parts other than calls may take to end, in milliseconds. */
const endTimeoutMs = 5_000;

/**
 * Is the process of a service: reads its settings from the environment, starts it and its telemetry, and stops it on SIGTERM,
 * SIGINT, or when the parent that holds its IPC channel is gone. Exit code 0 after an orderly stop; 1 with a message that
 * says what to do when it cannot start, or with the error when something fails that nobody caught. However it ends, what it
 * has logged last is sent where logs are sent; it waits two seconds for that at most, and a quarter of a second after an error.
 */
export async function runService<S extends ServiceSettings>(
  definition: ServiceDefinition<S>,
  declared: { readonly [K in keyof S]: Setting<S[K]> },
): Promise<void> {
  const { name } = definition;
  let settings: S;
  try {
    settings = readSettings(`SHOAL_${name.toUpperCase()}_`, declared as never, process.env) as S;
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    createLogger(name, "info").fatal(`settings that cannot be used:\n${error.message}`);
    process.exit(1);
  }
  const { logLevel, version, crashAt, host, drainTimeoutMs } = settings;
  const log = createLogger(name, logLevel);
  let telemetry: Telemetry | undefined;
  const end = async (code: number, graceMs = Number.POSITIVE_INFINITY): Promise<never> => {
    const shutdown = telemetry?.shutdown();
    await (Number.isFinite(graceMs) ? Promise.race([shutdown, sleep(graceMs)]) : shutdown);
    process.exit(code);
  };
  let dying: Promise<never> | undefined;
  const die = (error: unknown, message = error instanceof Error ? error.message : String(error)): Promise<never> => {
    // What fails after that is a consequence.
    if (dying !== undefined) return dying;
    log.fatal({ err: error }, message);
    dying = end(1, crashGraceMs);
    return dying;
  };
  if (crashAt !== undefined) armCrash(crashAt, name, log);
  process.on("uncaughtException", (error) => void die(error, "an error that nobody caught"));

  const stopAsked = Promise.withResolvers<string>();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => stopAsked.resolve(signal));
  process.once("disconnect", () => stopAsked.resolve("the parent is gone"));

  const task = definition.insteadOfServing?.(settings);
  if (task !== undefined) {
    const stopped = stopAsked.promise.then((because) => die(new Error(`stopped before it was done: ${because}`)));
    log.info(await Promise.race([task().catch((error) => die(error)), stopped]));
    return await end(0);
  }

  const start = async () => {
    if (settings.telemetry) {
      telemetry = await startTelemetry({ service: name, version, log });
      // As long as the process lasts, so that its last figures are sent too.
      watchProcess(telemetry.metrics);
    }
    return await startService(definition, settings, log, telemetry);
  };
  const service = await Promise.race([start().catch((error) => die(error)), stopAsked.promise]);
  if (typeof service === "string") {
    // Nothing has been served yet. What was begun ends with the process, a wait for the migrations' lock included.
    log.info({ because: service }, "stopped before it was ready");
    return await end(0);
  }
  const { grpcPort, adminPort } = service;
  log.info({ host, grpcPort, adminPort }, "ready");
  // A parent that died meanwhile has closed the channel, and the service is about to stop.
  if (process.connected) process.send?.({ type: "ready", service: name, grpcPort, adminPort } satisfies ReadyMessage);

  log.info({ because: await stopAsked.promise }, "stopping");
  const late = setTimeout(() => void die(new Error("it took too long to stop")), drainTimeoutMs + endTimeoutMs).unref();
  await service.stop();
  clearTimeout(late);
  log.info("stopped");
  await end(0);
}
