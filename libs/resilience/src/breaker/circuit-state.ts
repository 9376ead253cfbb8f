/** What a `CircuitBreaker` does with calls now; its docstring says what leads from one to another. */
export type CircuitState =
  /** Calls go through and are counted. */
  | { readonly kind: "closed" }
  /** Calls are refused, for `retryAfterMs` more. At 0 the next call finds it half-open. */
  | { readonly kind: "open"; readonly retryAfterMs: number }
  /** A few calls go through as probes: so many are under way, and so many have succeeded. */
  | { readonly kind: "half-open"; readonly underWay: number; readonly succeeded: number }
  /** All calls are refused, because somebody has said so. */
  | { readonly kind: "forced-open" }
  /** All calls go through, uncounted, because somebody has said so. */
  | { readonly kind: "forced-closed" };

/** What became of the calls that count. Rates are shares, 0 to 1; both are 0 where no call counts. */
export interface CircuitRates {
  readonly calls: number;
  readonly failureRate: number;
  readonly slowRate: number;
}

/**
 * Why a `CircuitBreaker` changes its state: too many calls failed or were slow, the time of being open is over, all probes
 * succeeded, one failed or was slow, somebody forces a state, or does so no longer.
 */
export type CircuitCause =
  | "failures"
  | "slow-calls"
  | "waited"
  | "probes-succeeded"
  | "probe-failed"
  | "probe-slow"
  | "forced"
  | "released";

/** A `CircuitBreaker` has changed its state. */
export interface CircuitEvent {
  readonly from: CircuitState["kind"];
  readonly to: CircuitState["kind"];
  readonly why: CircuitCause;
  /** Of the calls in the window before the change. Probes are not among them. */
  readonly rates: CircuitRates;
}
