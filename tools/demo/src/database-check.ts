import { allHold, databaseOf, type Finding, formatFindings, InvariantChecker } from "@shoal/invariants";

/** How to check databases that the demo cannot reach. */
const elsewhere = `The databases are not checked: those of this environment are not the system's. With Docker Compose:
docker compose run --rm invariants; else: npm run check:invariants -- --order URL --inventory URL`;

/** What became of the check, in words, and whether anything is violated. */
export interface DatabaseCheck {
  readonly words: string;
  readonly ok: boolean;
}

/**
 * Checks the invariants in the databases that services of this environment have, if the order is in them: else they are not
 * those of the system that has placed it.
 */
export async function checkDatabases(env: NodeJS.ProcessEnv, orderId: string): Promise<DatabaseCheck> {
  const urls = { order: databaseOf("order", env), inventory: databaseOf("inventory", env) };
  await using checker = new InvariantChecker(urls);
  if (!(await checker.hasOrder(orderId).catch(() => false))) return { words: elsewhere, ok: true };
  const began = performance.now();
  const findings: readonly Finding[] = await checker.check({ settled: false, overdueMs: 60_000 });
  return { words: formatFindings(findings, performance.now() - began), ok: allHold(findings) };
}
