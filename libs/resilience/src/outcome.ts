/**
 * What a call says of whom it went to: `success` and `failure` count; `neutral` says nothing, as when the caller gave up,
 * or asked for something that any callee would have refused.
 */
export type Outcome = "success" | "failure" | "neutral";
