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
  /**
   * Over how long the latency is taken, in milliseconds, 10 to 60,000; longer while there are fewer than `minSamples` calls,
   * or while calls take as long themselves.
   */
  readonly windowMs: number;
  /** 1 to 10,000. */
  readonly minSamples: number;
  /** How long the limit is reached before less is tried for a moment, in milliseconds, 100 to 3,600,000; at first a tenth. */
  readonly probeIntervalMs: number;
}

/** From 48 calls on, 48 to 1,000; up to 1.5 times the usual latency over windows of 250 ms; a probe after 10 seconds at the limit. */
export const defaultGradientLimitOptions: GradientLimitOptions = Object.freeze({
  initialLimit: 48,
  minLimit: 48,
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

/** How much of the way to where it should be the limit goes in a window. */
const smoothing = 0.3;

/** A window changes the limit by this factor at most. */
const lowestGradient = 0.5;

/** What each step of a probe leaves of the limit. */
const probedPart = 0.5;

/** Calls that take at most so many times as long as usual in a probe confirm what is usual … */
const confirmed = 1.1;

/** … but not more often than this in a row: half of far too much may well be as slow as is wrongly held to be usual. */
const confirmations = 3;

/** With half as many at once, calls are faster than this where that brings in hardly fewer of them: a half where none. */
const waitingRatio = 0.66;

/** A window lasts for so many latencies at least: in a shorter one calls end that began under another limit … */
const windowLatencies = 2;

/** … and for so many where the limit has just been changed by far. */
const settlingLatencies = 3;

/** The first probe, and each that is to follow soon, comes after this part of the time at the limit. */
const firstProbe = 0.1;

/** After a probe there is none for this many times as long as it took … */
const probeRest = 10;

/** … but for only so many times while the limit is reached and probes find something else each time, … */
const quickRest = 2;

/** … and so many of them at most until there is little to do again. */
const quickProbes = 8;

/** The latency of one kind of call: the usual one, if it is known, and what has been seen since that was learned from last. */
interface Kind {
  usualMs: number | undefined;
  sumMs: number;
  count: number;
}

/**
 * How many calls should be at work at once, found by their latency: as many as can be without each of them waiting for the
 * others. After Netflix's gradient limit (github.com/Netflix/concurrency-limits) and Envoy's, with two differences. The
 * latency is compared with what is usual for calls of the same kind, so that it matters little what is called. And the
 * usual latency is never learned from calls at the limit, for there they wait: it falls at once, rises while the limit is
 * far away, and when the limit is reached for long, half of it is tried for a moment. Where that makes calls as much faster
 * as if they had only waited for each other, half of that is tried, and so on: what calls take where it makes them faster
 * no more is usual from then on.
 *
 * States: starting → measuring → (long at its limit) settling, at half of it → probing → settling, at half of that, or
 * measuring.
 */
export class GradientLimit {
  readonly #options: GradientLimitOptions;
  readonly #now: () => number;
  readonly #kinds = new Map<string, Kind>();
  #state: "starting" | "measuring" | "settling" | "probing" = "starting";
  #limit: number;
  /** What this window has seen: of calls whose usual latency is known, what they took, and should have taken. */
  #tookMs = 0;
  #usualMs = 0;
  #samples = 0;
  #sumMs = 0;
  #highest = 0;
  #isReached = false;
  #mayGrow = true;
  #windowFrom: number;
  /** Since when each window has reached the limit. */
  #reachedFrom: number | undefined;
  /** How many more probes may confirm what is usual, rather than find it again. */
  #trust = 0;
  /** The probe's limit, when it began, and how many times as long as usual calls took with twice as many. */
  #probed = 0;
  #probeFrom = 0;
  #slownessAbove = 1;
  /** How long the last probe took that has shown something; 0 before the first. */
  #probeMs = 0;
  /** How many more probes may follow soon on each other. */
  #quickProbes = quickProbes;

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
    const isProbe = this.#state === "settling" || this.#state === "probing";
    return Math.floor(isProbe ? this.#probed : this.#limit);
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
    if (known === undefined) this.#kinds.set(kind, { usualMs: undefined, sumMs: latencyMs, count: 1 });
    else {
      known.sumMs += latencyMs;
      known.count += 1;
      if (known.usualMs !== undefined) {
        this.#tookMs += latencyMs;
        this.#usualMs += known.usualMs;
      }
    }
    this.#samples += 1;
    this.#sumMs += latencyMs;
    if (atWork > this.#highest) this.#highest = atWork;
    if (this.#samples >= this.#options.minSamples && this.#now() - this.#windowFrom >= this.#windowMs())
      this.#endWindow();
  }

  /** Something else than latency says that there is too much at work: a tenth less, and no more in this window. */
  backOff(): void {
    this.#limit = Math.max(this.#options.minLimit, this.#limit * 0.9);
    this.#probed = Math.min(this.#probed, this.#limit);
    this.#mayGrow = false;
  }

  #windowMs(): number {
    const isSettled = this.#state === "measuring" || this.#state === "probing";
    const latencies = isSettled ? windowLatencies : settlingLatencies;
    return Math.max(this.#options.windowMs, (latencies * this.#sumMs) / this.#samples);
  }

  #endWindow(): void {
    const now = this.#now();
    if (this.#state === "measuring") this.#adapt(now);
    else if (this.#state === "probing") this.#judge(now);
    else {
      // Of calls that began together, the short ones end first: they say too little.
      this.#state = this.#state === "starting" ? "measuring" : "probing";
      this.#forget();
    }
    this.#windowFrom = now;
    this.#tookMs = 0;
    this.#usualMs = 0;
    this.#samples = 0;
    this.#sumMs = 0;
    this.#highest = 0;
    this.#isReached = false;
    this.#mayGrow = true;
  }

  #adapt(now: number): void {
    const isReached = this.#isReached;
    const slowness = this.#slowness();
    const isIdle = !isReached && this.#highest < this.#limit / 2;
    // What calls take when hardly any are there says little of what they take when there are as many as can be.
    this.#learn(isIdle ? rise : 0, isIdle && this.#probeMs > 0 ? 0 : fall);
    this.#move(slowness);
    if (isReached) this.#reachedFrom ??= now;
    else this.#reachedFrom = undefined;
    if (isIdle) this.#quickProbes = quickProbes;
    if (this.#reachedFrom === undefined || now - this.#reachedFrom < this.#restMs()) return;
    this.#probeFrom = now;
    this.#probed = this.#limit;
    this.#stepDown(slowness);
  }

  /** How long the limit must have been reached before it is probed. */
  #restMs(): number {
    const { probeIntervalMs } = this.#options;
    if (this.#quickProbes > 0) return Math.max(firstProbe * probeIntervalMs, quickRest * this.#probeMs);
    return Math.max(probeIntervalMs, probeRest * this.#probeMs);
  }

  #move(slowness: number): void {
    const { tolerance, minLimit, maxLimit } = this.#options;
    // Above 1 while more calls at once do not make them slower.
    const gradient = Math.max(lowestGradient, Math.min(tolerance, tolerance / slowness));
    // The root lets it grow from anywhere.
    const target = this.#limit * gradient + Math.sqrt(this.#limit);
    // More than anybody has asked for says nothing.
    const mayGrow = this.#mayGrow && (this.#isReached || this.#highest >= this.#limit);
    if (target > this.#limit && !mayGrow) return;
    const next = this.#limit + smoothing * (target - this.#limit);
    this.#limit = Math.min(maxLimit, Math.max(minLimit, next));
  }

  /** Tries half of what is tried now; `slowness` is what it makes of the calls. */
  #stepDown(slowness: number): void {
    this.#slownessAbove = slowness;
    this.#probed = Math.max(this.#options.minLimit, this.#probed * probedPart);
    this.#state = "settling";
    this.#forget();
  }

  /** What a step of a probe has shown. */
  #judge(now: number): void {
    const slowness = this.#slowness();
    // Fewer calls than it lets in say nothing of it.
    if (this.#isReached) {
      const isConfirmed = this.#trust > 0 && slowness <= confirmed;
      const isTooMuch = slowness < waitingRatio * this.#slownessAbove && this.#probed > this.#options.minLimit;
      if (!isConfirmed && isTooMuch) {
        this.#stepDown(slowness);
        return;
      }
      const isFound = Math.abs(slowness - 1) <= confirmed - 1;
      this.#quickProbes = isFound ? 0 : Math.max(0, this.#quickProbes - 1);
      if (isConfirmed) this.#trust -= 1;
      else {
        this.#learnAll(slowness);
        // With twice as many calls did not wait, or little, and with four times as many they did.
        this.#limit = Math.max(this.#options.minLimit, Math.min(this.#limit, this.#probed / probedPart ** 2));
        // What a probe finds is found once more before it is trusted.
        this.#trust = isFound ? confirmations : 0;
      }
      this.#probeMs = now - this.#probeFrom;
    }
    this.#state = "measuring";
    this.#reachedFrom = now;
    this.#forget();
  }

  /** How many times as long as usual the calls of this window took. */
  #slowness(): number {
    return this.#usualMs > 0 ? this.#tookMs / this.#usualMs : 1;
  }

  /** Learns from kinds of which enough was seen: `up` is how much of what is slower, `down` of what is faster. */
  #learn(up: number, down: number): void {
    for (const kind of this.#kinds.values()) {
      const { usualMs, sumMs, count } = kind;
      if (count === 0 || (usualMs !== undefined && count < this.#options.minSamples)) continue;
      const meanMs = sumMs / count;
      if (usualMs === undefined) kind.usualMs = meanMs;
      else if (meanMs > usualMs) kind.usualMs = usualMs + up * (meanMs - usualMs);
      // Less than chance may do is not believed: what falls by chance, again and again, would not rise by it.
      else if (meanMs < usualMs * (1 - 1 / Math.sqrt(count))) kind.usualMs = usualMs + down * (meanMs - usualMs);
      kind.sumMs = 0;
      kind.count = 0;
    }
  }

  /** Learns what the calls of this window took, as a whole where there were few of a kind. */
  #learnAll(slowness: number): void {
    for (const kind of this.#kinds.values())
      if (kind.usualMs === undefined || kind.count >= this.#options.minSamples) {
        if (kind.count > 0) kind.usualMs = kind.sumMs / kind.count;
      } else kind.usualMs *= slowness;
  }

  #forget(): void {
    for (const kind of this.#kinds.values()) {
      kind.sumMs = 0;
      kind.count = 0;
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
