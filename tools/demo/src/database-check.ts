import { allHold, type Finding, formatFindings, InvariantChecker, SnapshotError } from "@shoal/invariants";
import { databaseUrlOf } from "@shoal/launcher";

/** What became of the check, in words, and whether nothing is violated and nothing stood in its way. */
export interface DatabaseCheck {
  readonly words: string;
  readonly ok: boolean;
}

/**
 * Checks the invariants in the databases that services of this environment have. They are not checked, which is no fault, where
 * there are none, or without the order: then they are not those of the system that has placed it. Those that are there and
 * cannot be read are a fault.
 */
export async function checkDatabases(env: NodeJS.ProcessEnv, orderId: string): Promise<DatabaseCheck> {
  const urls = { order: databaseUrlOf("order", env), inventory: databaseUrlOf("inventory", env) };
  await using checker = new InvariantChecker(urls);
  try {
    if (!(await checker.hasOrder(orderId))) return unchecked("those of this environment are another system's");
    const began = performance.now();
    const findings: readonly Finding[] = await checker.check({ settled: false, overdueMs: 60_000 });
    return { words: formatFindings(findings, performance.now() - began), ok: allHold(findings) };
  } catch (error) {
    if (!(error instanceof SnapshotError)) throw error;
    return error.isAbsent ? unchecked(error.message) : { words: error.message, ok: false };
  }
}

function unchecked(why: string): DatabaseCheck {
  const words = `The databases are not checked: ${why}. With Docker Compose: docker compose run --rm invariants;
else: npm run check:invariants -- --order URL --inventory URL`;
  return { words, ok: true };
}
