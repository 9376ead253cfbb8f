import fc from "fast-check";

/** How many random histories each property is tried with. */
const numRuns = 300;

/**
 * Fails unless `property` holds in random histories. What it fails with says how to run the smallest history that it
 * failed with again: fast-check's seed and path, as settings of the environment.
 */
export async function holds<T>(arbitrary: fc.Arbitrary<T>, property: (value: T) => Promise<void>): Promise<void> {
  const { SHOAL_TEST_SEED: seed, SHOAL_TEST_PATH: path } = process.env as Record<string, string | undefined>;
  const details = await fc.check(fc.asyncProperty(arbitrary, property), {
    numRuns,
    ...(seed !== undefined && { seed: Number(seed) }),
    ...(path !== undefined && { path }),
  });
  if (!details.failed) return;
  const again = `SHOAL_TEST_SEED=${details.seed} SHOAL_TEST_PATH=${details.counterexamplePath}`;
  throw new Error(`run it again with ${again}\nwith ${fc.stringify(details.counterexample?.[0])}`, {
    cause: details.errorInstance,
  });
}
