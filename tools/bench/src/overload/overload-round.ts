import type { FloodResult } from "./overload-client-process.ts";

/** What the order service is run with. */
export interface OverloadSubject {
  readonly name: string;
  readonly what: string;
  readonly env: Readonly<Record<string, string>>;
}

/** How many times the peak is offered; the first is what the latencies of the others are compared with. */
export const levels = Object.freeze([0.8, 2, 5, 10] as const);

/** How long the service is watched after the flood, in seconds. */
export const recoverySeconds = 15;

/** What one round of a subject has found. */
export interface OverloadRound {
  /** Of each level: what came of it, and the peak right before and after its parts, in calls a second. */
  readonly levels: readonly { readonly result: FloodResult; readonly peak: number }[];
  /** A flood of the last level's rate, and right after it the first level's, with callers that call again. */
  readonly recovery: FloodResult;
  /** What is asked for after that flood, in calls a second. */
  readonly recoveryRate: number;
  /** How long a level, and the flood to recover from, was measured, in seconds. */
  readonly seconds: number;
}
