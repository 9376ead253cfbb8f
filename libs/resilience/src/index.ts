export type { Breaker, BreakerPermit } from "./breaker/breaker.ts";
export type { Outcome } from "./outcome.ts";
