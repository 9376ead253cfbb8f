import { inspect } from "node:util";

/** What fast-check says of its runs. */
interface RunDetails {
  readonly failed: boolean;
  readonly seed: number;
  readonly counterexamplePath: string | null;
  readonly counterexample: unknown;
  readonly errorInstance: unknown;
}

/**
 * 300 histories of each piece, the same ones each time. SHOAL_TEST_RUNS asks for more, SHOAL_TEST_SEED for others, and with
 * SHOAL_TEST_PATH for the one that a failure has named.
 */
export function historySettings(): { numRuns: number; seed: number; path?: string } {
  const { SHOAL_TEST_RUNS, SHOAL_TEST_SEED, SHOAL_TEST_PATH } = process.env as Record<string, string | undefined>;
  return {
    numRuns: Number(SHOAL_TEST_RUNS ?? 300),
    seed: Number(SHOAL_TEST_SEED ?? 1),
    ...(SHOAL_TEST_PATH !== undefined && { path: SHOAL_TEST_PATH }),
  };
}

/** Throws if a history failed, and says how to run the smallest one that did again. */
export function requireHeld(details: RunDetails): void {
  if (!details.failed) return;
  const again = `SHOAL_TEST_SEED=${details.seed} SHOAL_TEST_PATH=${details.counterexamplePath}`;
  const history = inspect(details.counterexample, { depth: 8, breakLength: 120 });
  throw new Error(`run it again with ${again}\nwith ${history}`, { cause: details.errorInstance });
}
