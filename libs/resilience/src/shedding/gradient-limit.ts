import { requireInteger } from "@shoal/kernel";

/** How a {@link GradientLimit} finds out how many calls to have at work. */
export interface GradientLimitOptions {
  /** What it begins with, `minLimit` to `maxLimit`. */
  readonly initialLimit: number;
  /** Never fewer, 1 to 100,000. */
  readonly minLimit: number;
  /** Never more, `minLimit` to 100,000. */
  readonly maxLimit: number;
  /** How many times its usual latency a call may take before the limit is too high, 1.1 to 10. */
  readonly tolerance: number;
  /** Over how long the latency is taken, in milliseconds, 10 to 60,000; longer while there are fewer than `minSamples` calls. */
  readonly windowMs: number;
  /** 1 to 10,000. */
  readonly minSamples: number;
  /** How long the limit is reached before less is tried for a moment, in milliseconds, 100 to 3,600,000. */
  readonly probeIntervalMs: number;
}

/** From 20 calls on, 4 to 1,000; up to 1.5 times the usual latency over windows of 250 ms; a probe after 10 seconds at the limit. */
export const defaultGradientLimitOptions: GradientLimitOptions = Object.freeze({
  initialLimit: 20,
  minLimit: 4,
  maxLimit: 1_000,
  tolerance: 1.5,
  windowMs: 250,
  minSamples: 10,
  probeIntervalMs: 10_000,
});

/** How fast the usual latency follows what is faster, by window … */
const fall = 0.3;

/** … and what is slower while there is little to do, so that this says how fast the work is. */
const rise = 0.05;

/** How fast it follows what a probe has found to be slower. */
const probedRise = 0.25;

/** How much of the way to where it should be the limit goes in a window. */
const smoothing = 0.3;

/** A window changes the limit by this factor at most. */
const lowestGradient = 0.5;

/** What a probe leaves of the limit. */
const probedPart = 0.5;

/** The latency of one kind of call: the usual one, and the sum of this window's. */
interface Kind {
  usualMs: number;
  sumMs: number;
  count: number;
}

/**
 * How many calls should be at work at once, found by their latency: as many as can be without each of them waiting for the
 * others. After Netflix's gradient limit (github.com/Netflix/concurrency-limits) and Envoy's, with two differences. The
 * latency is compared with what is usual for calls of the same kind, so that it matters little what is called. And the
 * usual latency is never learned from calls at the limit, for there they wait: it falls at once, rises while the limit is
 * far away, and when the limit is reached for long, half of it is tried for a moment, which shows what a call takes then.
 *
 * States: measuring → (long at its limit) settling, at half of it → probing → measuring.
 */
export class GradientLimit {
  readonly #options: GradientLimitOptions;
  readonly #now: () => number;
  readonly #kinds = new Map<string, Kind>();
  #state: "measuring" | "settling" | "probing" = "measuring";
  #limit: number;
  #windowFrom: number;
  #samples = 0;
  #highest = 0;
  #isReached = false;
  /** Since when each window has reached the limit. */
  #reachedFrom: number | undefined;

  /** `now`: milliseconds that never go back. Throws a `RangeError` for options out of range. */
  constructor(options: Partial<GradientLimitOptions> = {}, now: () => number = () => performance.now()) {
    this.#options = { ...defaultGradientLimitOptions, ...options };
    requireOptions(this.#options);
    this.#now = now;
    this.#limit = this.#options.initialLimit;
    this.#windowFrom = now();
  }

  /** How many calls may be at work now: a whole number. */
  get limit(): number {
    const limit = this.#state === "measuring" ? this.#limit : this.#limit * probedPart;
    return Math.max(this.#options.minLimit, Math.floor(limit));
  }

  /** There was no room for a call. */
  reached(): void {
    this.#isReached = true;
  }

  /**
   * A call of `kind` has ended after `latencyMs`, as it should or for want of time, while `atWork` calls were at work, itself
   * included. Of each kind something is kept: let there be few.
   */
  sample(kind: string, latencyMs: number, atWork: number): void {
    const known = this.#kinds.get(kind);
    if (known === undefined) this.#kinds.set(kind, { usualMs: Number.NaN, sumMs: latencyMs, count: 1 });
    else {
      known.sumMs += latencyMs;
      known.count += 1;
    }
    this.#samples += 1;
    if (atWork > this.#highest) this.#highest = atWork;
    if (this.#samples >= this.#options.minSamples && this.#now() - this.#windowFrom >= this.#options.windowMs)
      this.#endWindow();
  }

  /** Something else than latency says that there is too much at work: a tenth less. */
  backOff(): void {
    this.#limit = Math.max(this.#options.minLimit, this.#limit * 0.9);
  }

  #endWindow(): void {
    const now = this.#now();
    const isReached = this.#isReached;
    if (this.#state === "measuring") this.#adapt(isReached);
    else if (this.#state === "settling") this.#state = "probing";
    else {
      this.#learn(fall, probedRise);
      this.#state = "measuring";
      this.#reachedFrom = now;
    }
    if (!isReached) this.#reachedFrom = undefined;
    else if (this.#reachedFrom === undefined) this.#reachedFrom = now;
    else if (this.#state === "measuring" && now - this.#reachedFrom >= this.#options.probeIntervalMs)
      this.#state = "settling";
    this.#windowFrom = now;
    this.#samples = 0;
    this.#highest = 0;
    this.#isReached = false;
    for (const kind of this.#kinds.values()) {
      kind.sumMs = 0;
      kind.count = 0;
    }
  }

  #adapt(isReached: boolean): void {
    const isIdle = !isReached && this.#highest < this.#limit / 2;
    this.#learn(fall, isIdle ? rise : 0);
    const { tolerance, minLimit, maxLimit } = this.#options;
    // Above 1 while more calls at once do not make them slower.
    const gradient = Math.max(lowestGradient, Math.min(tolerance, tolerance / this.#slowness()));
    // The root lets it grow from anywhere.
    const target = this.#limit * gradient + Math.sqrt(this.#limit);
    // More than anybody has asked for says nothing.
    if (target > this.#limit && !isReached && this.#highest < this.#limit) return;
    const next = this.#limit + smoothing * (target - this.#limit);
    this.#limit = Math.min(maxLimit, Math.max(minLimit, next));
  }

  /** How many times as long as usual the calls of this window took. */
  #slowness(): number {
    let took = 0;
    let usual = 0;
    for (const { usualMs, sumMs, count } of this.#kinds.values()) {
      took += sumMs;
      usual += usualMs * count;
    }
    return usual > 0 ? took / usual : 1;
  }

  #learn(down: number, up: number): void {
    for (const kind of this.#kinds.values()) {
      if (kind.count === 0) continue;
      const meanMs = kind.sumMs / kind.count;
      if (Number.isNaN(kind.usualMs)) kind.usualMs = meanMs;
      else kind.usualMs += (meanMs < kind.usualMs ? down : up) * (meanMs - kind.usualMs);
    }
  }
}

function requireOptions(options: GradientLimitOptions): void {
  requireInteger("minLimit", options.minLimit, 1, 100_000);
  requireInteger("maxLimit", options.maxLimit, options.minLimit, 100_000);
  requireInteger("initialLimit", options.initialLimit, options.minLimit, options.maxLimit);
  if (!(options.tolerance >= 1.1 && options.tolerance <= 10))
    throw new RangeError(`tolerance must be a number from 1.1 to 10, not ${options.tolerance}`);
  requireInteger("windowMs", options.windowMs, 10, 60_000);
  requireInteger("minSamples", options.minSamples, 1, 10_000);
  requireInteger("probeIntervalMs", options.probeIntervalMs, 100, 3_600_000);
}
