import type { Outcome } from "../outcome.ts";
import type { Breaker, BreakerPermit } from "./breaker.ts";
import type { CallWindow } from "./call-window.ts";
import {
  type CircuitBreakerOptions,
  type CompleteCircuitBreakerOptions,
  completeCircuitBreakerOptions,
} from "./circuit-breaker-options.ts";
import type { CircuitCause, CircuitRates, CircuitState } from "./circuit-state.ts";
import { CountWindow } from "./count-window.ts";
import { HeldPermit } from "./permit.ts";
import { TimeWindow } from "./time-window.ts";

/**
 * Refuses calls to something that fails or is slow, and finds out by a few of them when it is well again. One for each
 * method and instance. The pattern is Michael Nygard's ("Release It!", 2007). No timers: time is looked at when somebody
 * calls, so there is nothing to close. States:
 *
 * - *closed*: calls go through and are counted in a window. At least `minimumCalls` in it, and of them a share of
 *   `failureRate` failed, or of `slowRate` were slow → open
 * - *open*: calls are refused. After `openMs`, with the next call → half-open
 * - *half-open*: calls go through as probes, while those under way and those that have succeeded are fewer than `probes`;
 *   the others are refused. All have succeeded → closed, with an empty window; the first that fails or is slow → open
 * - *forced-open*, *forced-closed*: {@link force}, from any state. No longer forced → closed, with an empty window
 *
 * Neutral outcomes count nowhere: a probe that ends so gives its permit back. So does one that has not ended after
 * `probeTimeoutMs`; what it says later is dropped, as is what is said of calls that began in an earlier state.
 */
export class CircuitBreaker implements Breaker {
  readonly reason = "CIRCUIT_OPEN";
  readonly #options: CompleteCircuitBreakerOptions;
  readonly #now: () => number;
  readonly #madeAt: number;
  readonly #window: CallWindow;
  readonly #minimumCalls: number;
  /** Whether the beginning of a call in the closed state matters. */
  readonly #timesCalls: boolean;
  readonly #probes = new Set<HeldPermit>();
  #kind: CircuitState["kind"] = "closed";
  /** Counts the changes of state, so that permits of earlier ones are known. */
  #generation = 0;
  #openUntil = 0;
  #succeeded = 0;

  /** Throws a `RangeError` that names the option that is out of its range. */
  constructor(options: CircuitBreakerOptions = {}) {
    this.#options = completeCircuitBreakerOptions(options);
    const { now, window, minimumCalls, slowCallMs } = this.#options;
    this.#now = now;
    this.#madeAt = now();
    this.#window = window.kind === "count" ? new CountWindow(window.calls) : new TimeWindow(window.ms);
    this.#minimumCalls = window.kind === "count" ? Math.min(minimumCalls, window.calls) : minimumCalls;
    this.#timesCalls = slowCallMs !== Number.POSITIVE_INFINITY;
  }

  /** What it does with calls now. */
  get state(): CircuitState {
    const kind = this.#kind;
    switch (kind) {
      case "open":
        return { kind, retryAfterMs: this.retryAfterMs };
      case "half-open":
        return { kind, underWay: this.#probes.size, succeeded: this.#succeeded };
      default:
        return { kind };
    }
  }

  /** Of the calls that are in the window now. While it is not closed none are added. */
  get rates(): CircuitRates {
    this.#window.age(this.#time());
    const { calls, failures, slow } = this.#window;
    return { calls, failureRate: calls === 0 ? 0 : failures / calls, slowRate: calls === 0 ? 0 : slow / calls };
  }

  /**
   * What is left of `openMs` while it is open; all of it while it is forced open, and while it is half-open and has no permit
   * left, unless a probe gives one back sooner because it hangs.
   */
  get retryAfterMs(): number {
    switch (this.#kind) {
      case "open":
        return Math.max(0, this.#openUntil - this.#time());
      case "half-open":
        return this.#nextProbeMs();
      case "forced-open":
        return this.#options.openMs;
      default:
        return 0;
    }
  }

  tryAcquire(): BreakerPermit | undefined {
    switch (this.#kind) {
      case "closed":
        return new HeldPermit(this.#settle, this.#generation, this.#timesCalls ? this.#time() : 0);
      case "open":
        if (this.#time() < this.#openUntil) return undefined;
        this.#enter("half-open", "waited");
        // Again, for whoever is told of it may have forced another state.
        return this.tryAcquire();
      case "half-open":
        return this.#tryProbe();
      case "forced-closed":
        return new HeldPermit(this.#settle, this.#generation, 0);
      case "forced-open":
        return undefined;
    }
  }

  /** Keeps it open, or closed, whatever happens, until it is told otherwise; `undefined`: as it sees fit again. */
  force(state: "open" | "closed" | undefined): void {
    const forced = this.#kind === "forced-open" || this.#kind === "forced-closed";
    if (state !== undefined) {
      if (this.#kind !== `forced-${state}`) this.#enter(`forced-${state}`, "forced");
    } else if (forced) this.#enter("closed", "released");
  }

  /** Whole milliseconds since it was made: for 24 days such numbers take no memory of their own, as fractions do. */
  #time(): number {
    return Math.floor(this.#now() - this.#madeAt);
  }

  /** Those who ask before they call must learn of it when a probe hangs: nobody takes its permit back but a call. */
  #nextProbeMs(): number {
    const { probes, probeTimeoutMs, openMs } = this.#options;
    const [oldest] = this.#probes;
    if (oldest === undefined || this.#probes.size + this.#succeeded < probes) return 0;
    return Math.min(openMs, Math.max(0, oldest.startedAt + probeTimeoutMs - this.#time()));
  }

  #tryProbe(): BreakerPermit | undefined {
    const now = this.#time();
    const { probes, probeTimeoutMs } = this.#options;
    if (this.#probes.size + this.#succeeded >= probes) {
      // They are in the order in which they began, so that mostly only the first one is looked at.
      for (const probe of this.#probes) {
        if (now - probe.startedAt < probeTimeoutMs) break;
        this.#probes.delete(probe);
      }
      if (this.#probes.size + this.#succeeded >= probes) return undefined;
    }
    const probe = new HeldPermit(this.#settle, this.#generation, now);
    this.#probes.add(probe);
    return probe;
  }

  /** One function for all permits; they hold it instead of the breaker, so that it is no method that others could call. */
  readonly #settle = (permit: HeldPermit, outcome: Outcome): void => {
    if (permit.generation !== this.#generation) return;
    if (this.#kind === "closed") {
      if (outcome !== "neutral") this.#count(permit, outcome);
    } else if (this.#probes.delete(permit) && outcome !== "neutral") this.#judgeProbe(permit, outcome);
  };

  #count(permit: HeldPermit, outcome: Outcome): void {
    const { failureRate, slowRate } = this.#options;
    const window = this.#window;
    const now = this.#time();
    window.add(now, outcome === "failure", this.#isSlow(permit, now));
    const { calls } = window;
    if (calls < this.#minimumCalls) return;
    if (window.failures / calls >= failureRate) this.#open("failures", now);
    else if (window.slow / calls >= slowRate) this.#open("slow-calls", now);
  }

  #judgeProbe(probe: HeldPermit, outcome: Outcome): void {
    const now = this.#time();
    if (outcome === "failure") this.#open("probe-failed", now);
    else if (this.#isSlow(probe, now)) this.#open("probe-slow", now);
    else {
      this.#succeeded += 1;
      if (this.#succeeded === this.#options.probes) this.#enter("closed", "probes-succeeded");
    }
  }

  #isSlow(permit: HeldPermit, now: number): boolean {
    return now - permit.startedAt > this.#options.slowCallMs;
  }

  #open(why: CircuitCause, now: number): void {
    this.#openUntil = now + this.#options.openMs;
    this.#enter("open", why);
  }

  #enter(to: CircuitState["kind"], why: CircuitCause): void {
    const { rates } = this;
    const from = this.#kind;
    this.#kind = to;
    this.#generation += 1;
    this.#probes.clear();
    this.#succeeded = 0;
    if (to === "closed") this.#window.clear();
    try {
      this.#options.onEvent?.({ from, to, why, rates });
    } catch {
      // Whoever listens does not decide what becomes of a call.
    }
  }
}
