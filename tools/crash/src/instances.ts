import { setTimeout as sleep } from "node:timers/promises";
import { LaunchError, type Launched, type LaunchOptions, launch } from "@shoal/launcher";

/** How long an instance may take to come to the point that it is armed with, in milliseconds. */
const reachTimeoutMs = 60_000;

/** How long it may take to start an instance, over and over while the database is away, in milliseconds. */
const startTimeoutMs = 60_000;
const startAgainMs = 100;

/**
 * The instances of the services, which crash and are started again; one thing at a time is done with each. States of one:
 * running ⇄ dead.
 */
export class Instances {
  /** Those that ended for reasons of their own while they took calls, in words. */
  readonly failures: string[] = [];
  #launched: Launched | undefined;
  readonly #dead = new Set<string>();
  readonly #lastWords = new Map<string, string>();
  readonly #deaths = new Map<string, () => void>();

  /** Starts them all; see `launch`. Whoever called stops them. */
  async launch(options: LaunchOptions): Promise<Launched> {
    this.#launched = await launch({
      ...options,
      onWarning: (instance, { level, message }) => {
        if (level === "fatal") this.#lastWords.set(instance, message);
      },
      onDeath: ({ service: instance, code }) => {
        this.#dead.add(instance);
        if (code) this.failures.push(`${instance} ended with code ${code}: ${this.#lastWords.get(instance)}`);
        this.#deaths.get(instance)?.();
      },
    });
    return this.#launched;
  }

  /**
   * Stops an instance, if it runs, and starts it armed with a crash point. Resolves when it has crashed there, and is dead;
   * rejects when it does not come to that in a minute.
   */
  async crashAt(instance: string, point: string, nth: number): Promise<void> {
    await this.#end(instance, "SIGTERM");
    this.#lastWords.delete(instance);
    const [service = ""] = instance.split("-");
    const until = performance.now() + reachTimeoutMs;
    const lastWords = `the crash point ${point} is reached`;
    while (!this.#dead.has(instance) || this.#lastWords.get(instance) !== lastWords) {
      const leftMs = until - performance.now();
      if (leftMs <= 0) throw new Error(`${instance} has not come to ${point} ${nth} times in ${reachTimeoutMs} ms`);
      if (this.#dead.has(instance))
        await this.#start(instance, { [`SHOAL_${service.toUpperCase()}_CRASH_AT`]: `${point}:${nth}` });
      else await this.#death(instance, leftMs);
    }
  }

  /** Kills an instance, unless it is dead. */
  async kill(instance: string): Promise<void> {
    await this.#end(instance, "SIGKILL");
  }

  /** Starts an instance that is dead; does nothing for one that runs. Rejects when it does not start in a minute. */
  async revive(instance: string): Promise<void> {
    const until = performance.now() + startTimeoutMs;
    while (this.#dead.has(instance)) {
      await this.#start(instance, {});
      if (performance.now() > until) throw new Error(`${instance} does not start: ${this.#lastWords.get(instance)}`);
    }
  }

  async #end(instance: string, signal: NodeJS.Signals): Promise<void> {
    if (this.#dead.has(instance)) return;
    process.kill(this.#running.service(instance).pid, signal);
    while (!this.#dead.has(instance)) await this.#death(instance, startTimeoutMs);
  }

  /** Starts one that is dead. It may die before it takes calls: at a crash point, or because its database is away. */
  async #start(instance: string, env: Readonly<Record<string, string>>): Promise<void> {
    this.#lastWords.delete(instance);
    this.#dead.delete(instance);
    try {
      await this.#running.restart(instance, env);
    } catch (error) {
      if (!(error instanceof LaunchError)) throw error;
      this.#dead.add(instance);
      await sleep(startAgainMs);
    }
  }

  /** Waits until an instance dies, or time is over. */
  async #death(instance: string, ms: number): Promise<void> {
    const death = Promise.withResolvers<void>();
    const timer = setTimeout(death.resolve, ms);
    this.#deaths.set(instance, death.resolve);
    await death.promise;
    clearTimeout(timer);
    this.#deaths.delete(instance);
  }

  get #running(): Launched {
    if (this.#launched === undefined) throw new Error("the instances have not been started");
    return this.#launched;
  }
}
