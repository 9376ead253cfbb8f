/** How many attempts besides the first a {@link RetryBudget} allows. */
export interface RetryBudgetSettings {
  /**
   * Tokens at first and at most, above 0 to 1,000. Half of them are what may be spent in a burst, as when an instance dies
   * with calls on it. Default: 100.
   */
  readonly maxTokens: number;
  /**
   * Tokens for each call that succeeds, above 0 to 1: the further attempts that there may be in the long run, as a share of
   * the calls. Default: 0.1. Of three hops that all retry the last one gets at most 1.1³ = 1.33 times the calls in the long
   * run, where each of them fails by itself; when only the last one does, 1.1 times.
   */
  readonly tokenRatio: number;
}

/** What a {@link RetryBudget} tells: from now on there are no further attempts, or there are again. */
export interface RetryBudgetEvent {
  readonly type: "exhausted" | "refilled";
  /** What is left. */
  readonly tokens: number;
}

/** What a budget is made of. */
export interface RetryBudgetOptions extends Partial<RetryBudgetSettings> {
  /** Told at once. What it throws is ignored. */
  readonly onEvent?: (event: RetryBudgetEvent) => void;
}

/** 100 tokens, and a tenth of a token for a success, as gRPC's own documents have it. */
export const defaultRetryBudgetOptions: RetryBudgetSettings = Object.freeze({ maxTokens: 100, tokenRatio: 0.1 });

/**
 * Keeps retries from making an outage worse: the throttling of gRPC's proposal A6. One for each callee, shared by all
 * calls to it and by all that adds attempts, hedging included. Pure counting: no clock and no timers, nothing to close.
 *
 * A failure takes one token, a success gives `tokenRatio`. States:
 *
 * - *allowing*: more than half of the tokens are left; further attempts may be made. Half or less → exhausted
 * - *exhausted*: none may be made. More than half → allowing
 *
 * So of `n` calls no more than `n × (1 + tokenRatio) + maxTokens / 2 + 1` attempts are made, whatever fails, and in an outage
 * that lasts just the calls themselves.
 */
export class RetryBudget {
  readonly #maxTokens: number;
  readonly #tokenRatio: number;
  readonly #onEvent: ((event: RetryBudgetEvent) => void) | undefined;
  #tokens: number;

  /** Throws a `RangeError` that names the option that is out of its range. */
  constructor(options: RetryBudgetOptions = {}) {
    const { maxTokens, tokenRatio } = { ...defaultRetryBudgetOptions, ...options };
    if (!(maxTokens > 0 && maxTokens <= 1_000))
      throw new RangeError(`maxTokens must be a number above 0 to 1000, not ${maxTokens}`);
    if (!(tokenRatio > 0 && tokenRatio <= 1))
      throw new RangeError(`tokenRatio must be a number above 0 to 1, not ${tokenRatio}`);
    this.#maxTokens = maxTokens;
    this.#tokenRatio = tokenRatio;
    this.#onEvent = options.onEvent;
    this.#tokens = maxTokens;
  }

  /** How many tokens are left, 0 to `maxTokens`. */
  get tokens(): number {
    return this.#tokens;
  }

  /** Whether a further attempt may be made now. */
  get allows(): boolean {
    return this.#tokens > this.#maxTokens / 2;
  }

  /** A call, or an attempt, has succeeded. */
  recordSuccess(): void {
    this.#add(this.#tokenRatio);
  }

  /** An attempt has failed in a way after which it would be repeated, or the callee has forbidden to repeat it. */
  recordFailure(): void {
    this.#add(-1);
  }

  /**
   * Leave for an attempt that no failure has paid for, such as a hedge: takes a token if {@link allows}, and otherwise
   * answers false. Without it a callee that is only slow would be sent every call twice, for its answers, late as they are,
   * are successes. If that attempt fails, do not record that too.
   */
  tryHedge(): boolean {
    if (!this.allows) return false;
    this.#add(-1);
    return true;
  }

  #add(tokens: number): void {
    const allowed = this.allows;
    this.#tokens = Math.min(this.#maxTokens, Math.max(0, this.#tokens + tokens));
    if (this.allows === allowed || this.#onEvent === undefined) return;
    try {
      this.#onEvent({ type: allowed ? "exhausted" : "refilled", tokens: this.#tokens });
    } catch {
      // Whoever listens does not decide what becomes of a call.
    }
  }
}
