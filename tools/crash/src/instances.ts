import { setTimeout as sleep } from "node:timers/promises";
import { LaunchError, type Launched, type LaunchOptions, launch } from "@shoal/launcher";

/** How long {@link Instances} wait, in milliseconds. */
export interface InstancesOptions {
  /** Until an instance comes to the point that it is armed with. */
  readonly reachTimeoutMs: number;
  /** Until an instance has started, tried over and over while the database is away. */
  readonly startTimeoutMs: number;
  /** Until an instance that is told to end has ended. */
  readonly stopTimeoutMs: number;
}

/** See each option. */
export const defaultInstancesOptions: InstancesOptions = Object.freeze({
  reachTimeoutMs: 60_000,
  startTimeoutMs: 60_000,
  stopTimeoutMs: 60_000,
});

/** The pause before the next attempt to start an instance, in milliseconds. */
const startAgainMs = 100;

/** What the log of a service says of a call that is answered with INTERNAL, before it says why. */
const fault = "a call failed unexpectedly";

/**
 * The instances of the services, which crash and are started again; one thing at a time is done with each. States of one:
 * running ⇄ dead. What is done with one rejects with a signal's reason as soon as that aborts.
 */
export class Instances {
  /** Those that ended for reasons of their own while they took calls, and why a call was answered with INTERNAL, in words. */
  readonly failures: string[] = [];
  readonly #options: InstancesOptions;
  #launched: Launched | undefined;
  readonly #dead = new Set<string>();
  readonly #lastWords = new Map<string, string>();
  /** The last words of those whose end is wanted: none where they are told to end. */
  readonly #doomed = new Map<string, string | undefined>();
  /** Aborts when an instance dies that is waited for. */
  readonly #deaths = new Map<string, AbortController>();

  constructor(options: Partial<InstancesOptions> = {}) {
    this.#options = { ...defaultInstancesOptions, ...options };
  }

  /** Starts them all; see `launch`. Whoever called stops them. */
  async launch(options: LaunchOptions): Promise<Launched> {
    this.#launched = await launch({
      ...options,
      onWarning: (instance, { level, message }) => {
        if (level === "fatal") this.#lastWords.set(instance, message);
        if (message.startsWith(fault)) this.failures.push(`${instance}: ${message}`);
      },
      onDeath: ({ service: instance, code, signal, lastWords: lastLines }) => {
        const lastWords = this.#lastWords.get(instance);
        const isWanted = this.#doomed.has(instance) && this.#doomed.get(instance) === lastWords && !code;
        const how = signal === null ? `with exit code ${code}` : `by ${signal}`;
        if (!isWanted) this.failures.push(`${instance} ended by itself, ${how}: ${lastWords ?? lastLines.join("\n")}`);
        this.#dead.add(instance);
        this.#deaths.get(instance)?.abort();
      },
    });
    return this.#launched;
  }

  /**
   * Stops an instance, if it runs, and starts it armed with a crash point. Resolves when it has crashed there, and is dead;
   * rejects when it does not come to that in time.
   */
  async crashAt(instance: string, point: string, nth: number, signal: AbortSignal): Promise<void> {
    await this.#end(instance, "SIGTERM", signal);
    this.#lastWords.delete(instance);
    const { reachTimeoutMs } = this.#options;
    const [service = ""] = instance.split("-");
    const armed = { [`SHOAL_${service.toUpperCase()}_CRASH_AT`]: `${point}:${nth}` };
    const lastWords = `the crash point ${point} is reached`;
    const until = performance.now() + reachTimeoutMs;
    while (!this.#dead.has(instance) || this.#lastWords.get(instance) !== lastWords) {
      const leftMs = until - performance.now();
      if (leftMs <= 0) throw new Error(`${instance} has not come to ${point} ${nth} times in ${reachTimeoutMs} ms`);
      if (this.#dead.has(instance)) {
        this.#doomed.set(instance, lastWords);
        await this.#start(instance, armed, signal);
      } else await this.#untilDeadOr(leftMs, instance, signal);
    }
  }

  /** Kills an instance, unless it is dead. */
  async kill(instance: string, signal: AbortSignal): Promise<void> {
    await this.#end(instance, "SIGKILL", signal);
  }

  /** Starts an instance that is dead; does nothing for one that runs. Rejects when it does not start in time. */
  async revive(instance: string, signal: AbortSignal): Promise<void> {
    const until = performance.now() + this.#options.startTimeoutMs;
    let cause: unknown;
    while (this.#dead.has(instance)) {
      if (performance.now() > until) throw new Error(`${instance} does not start`, { cause });
      this.#doomed.delete(instance);
      cause = await this.#start(instance, {}, signal);
    }
  }

  async #end(instance: string, how: NodeJS.Signals, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#dead.has(instance)) return;
    const { stopTimeoutMs } = this.#options;
    this.#doomed.set(instance, undefined);
    process.kill(this.#running.service(instance).pid, how);
    await this.#untilDeadOr(stopTimeoutMs, instance, signal);
    if (!this.#dead.has(instance)) throw new Error(`${instance} has not ended within ${stopTimeoutMs} ms of ${how}`);
  }

  /**
   * Starts one that is dead. It may die before it takes calls, at a crash point, or because its database is away: answers
   * with what it failed then.
   */
  async #start(instance: string, env: Readonly<Record<string, string>>, signal: AbortSignal): Promise<unknown> {
    signal.throwIfAborted();
    this.#lastWords.delete(instance);
    this.#dead.delete(instance);
    try {
      await this.#running.restart(instance, env);
    } catch (error) {
      if (!(error instanceof LaunchError)) throw error;
      this.#dead.add(instance);
      await sleep(startAgainMs, undefined, { signal });
      return error;
    }
    return undefined;
  }

  /** Waits until an instance dies, or time is over. */
  async #untilDeadOr(ms: number, instance: string, signal: AbortSignal): Promise<void> {
    const death = new AbortController();
    this.#deaths.set(instance, death);
    await sleep(ms, undefined, { signal: AbortSignal.any([signal, death.signal]) }).catch(() => {});
    this.#deaths.delete(instance);
    signal.throwIfAborted();
  }

  get #running(): Launched {
    if (this.#launched === undefined) throw new Error("the instances have not been started");
    return this.#launched;
  }
}
