import { currentContext, requireInteger, systemTimers, type Timers } from "@shoal/kernel";
import { runForMany } from "./ambient.ts";
import { QueueFullError } from "./refusals.ts";
import { patienceOf, type WaitOptions } from "./wait-options.ts";
import { Waiter } from "./waiter.ts";

/** How much a {@link SingleFlight} holds. */
export interface SingleFlightOptions {
  /** How many runs may be at work, those included that nobody waits for and that have not ended, from 1. Default: 10,000. */
  readonly maxFlights?: number;
  /** How many callers may share a run, from 1. Default: 10,000. */
  readonly maxCallers?: number;
  /** How time passes. Default: the machine's. */
  readonly timers?: Timers;
}

/** See each option. */
export const defaultSingleFlightOptions = Object.freeze({
  maxFlights: 10_000,
  maxCallers: 10_000,
  timers: systemTimers,
});

interface Flight<R> {
  readonly controller: AbortController;
  readonly callers: Set<Waiter<R>>;
}

/**
 * Lets callers that want the same thing at the same time share one run (as Go's golang.org/x/sync/singleflight does), and
 * its value or error. Nothing is kept afterwards: it is no cache. A caller that leaves, by its signal or timeout, leaves
 * alone; when the last has left the run is aborted, and the next caller begins another. A run that does not heed its signal
 * counts until it has ended.
 *
 * States of a key: idle (not known here) → flying → idle.
 */
export class SingleFlight<K, R> {
  readonly #maxFlights: number;
  readonly #maxCallers: number;
  readonly #timers: Timers;
  readonly #flights = new Map<K, Flight<R>>();
  /** How many runs have not ended, also of keys that are forgotten. */
  #atWork = 0;

  /** Throws a `RangeError` for options out of range. */
  constructor(options: SingleFlightOptions = {}) {
    const { maxFlights, maxCallers, timers } = { ...defaultSingleFlightOptions, ...options };
    requireInteger("maxFlights", maxFlights, 1);
    requireInteger("maxCallers", maxCallers, 1);
    this.#maxFlights = maxFlights;
    this.#maxCallers = maxCallers;
    this.#timers = timers;
  }

  /** How many keys have a run that callers wait for. */
  get size(): number {
    return this.#flights.size;
  }

  /** How many callers wait for the run of `key`. */
  callers(key: K): number {
    return this.#flights.get(key)?.callers.size ?? 0;
  }

  /**
   * What the run of `key` at work answers, or else `work`, which starts at once. `work` is not run on behalf of one caller:
   * its context is its own, with the priority of the caller that began it and no deadline, and its signal aborts when all
   * callers have left. Rejects with the error of the run, which all callers get, with a {@link QueueFullError} where there
   * are too many runs or callers, a {@link WaitTimeoutError} when its time is over, and the signal's reason when that aborts.
   */
  async run(key: K, work: (signal: AbortSignal) => R | Promise<R>, options: WaitOptions = {}): Promise<R> {
    const patience = patienceOf(options);
    const flying = this.#flights.get(key);
    if (flying === undefined && this.#atWork >= this.#maxFlights)
      throw new QueueFullError(`${this.#atWork} runs are at work already`);
    const flight: Flight<R> = flying ?? { controller: new AbortController(), callers: new Set() };
    if (flight.callers.size >= this.#maxCallers)
      throw new QueueFullError(`${flight.callers.size} callers share the run already`);
    const waiter = new Waiter<R>(patience, this.#timers, (reason) => {
      flight.callers.delete(waiter);
      if (flight.callers.size > 0) return;
      this.#landed(key, flight);
      flight.controller.abort(reason);
    });
    flight.callers.add(waiter);
    if (flying === undefined) {
      this.#flights.set(key, flight);
      void this.#fly(key, flight, work);
    }
    return await waiter.answer;
  }

  async #fly(key: K, flight: Flight<R>, work: (signal: AbortSignal) => R | Promise<R>): Promise<void> {
    const { signal } = flight.controller;
    const priority = currentContext()?.priority ?? "default";
    this.#atWork += 1;
    try {
      const value = await runForMany({ signal, deadline: Number.POSITIVE_INFINITY, priority }, async () =>
        work(signal),
      );
      this.#atWork -= 1;
      this.#landed(key, flight);
      for (const caller of flight.callers) caller.resolve(value);
    } catch (error) {
      this.#atWork -= 1;
      this.#landed(key, flight);
      for (const caller of flight.callers) caller.reject(error);
    }
  }

  /** Whoever comes from now on begins another run. */
  #landed(key: K, flight: Flight<R>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}
