import { inspect } from "node:util";

/** What fast-check says of its runs. */
interface RunDetails {
  readonly failed: boolean;
  readonly seed: number;
  readonly counterexamplePath: string | null;
  readonly counterexample: unknown;
  readonly errorInstance: unknown;
}

/** How many random histories each piece is tried with; or the one that SHOAL_TEST_SEED and SHOAL_TEST_PATH name. */
export function historySettings(): { numRuns: number; seed?: number; path?: string } {
  const seed = process.env["SHOAL_TEST_SEED"];
  const path = process.env["SHOAL_TEST_PATH"];
  return { numRuns: 300, ...(seed !== undefined && { seed: Number(seed) }), ...(path !== undefined && { path }) };
}

/** Throws if a history failed, and says how to run the smallest one that did again. */
export function requireHeld(details: RunDetails): void {
  if (!details.failed) return;
  const again = `SHOAL_TEST_SEED=${details.seed} SHOAL_TEST_PATH=${details.counterexamplePath}`;
  const history = inspect(details.counterexample, { depth: 8, breakLength: 120 });
  throw new Error(`run it again with ${again}\nwith ${history}`, { cause: details.errorInstance });
}
