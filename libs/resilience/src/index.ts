export type { Breaker, BreakerPermit } from "./breaker/breaker.ts";
export type { Outcome } from "./outcome.ts";
export { type BackoffBounds, jitteredBackoffMs } from "./retry/backoff.ts";
export { type FailedAttempt, nextAttempt, type RetryDecision, type RetryRules } from "./retry/next-attempt.ts";
export {
  defaultRetryBudgetOptions,
  RetryBudget,
  type RetryBudgetEvent,
  type RetryBudgetOptions,
  type RetryBudgetSettings,
} from "./retry/retry-budget.ts";
