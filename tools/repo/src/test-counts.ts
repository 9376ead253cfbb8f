import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** How many leaf tests ended how. A test marked `skip` or `todo` counts as skipped, however it went. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export const noTests: TestCounts = Object.freeze({ passed: 0, failed: 0, skipped: 0 });

/** Adds counts up. */
export function sumCounts(counts: Iterable<TestCounts>): TestCounts {
  let { passed, failed, skipped } = noTests;
  for (const count of counts) {
    passed += count.passed;
    failed += count.failed;
    skipped += count.skipped;
  }
  return { passed, failed, skipped };
}

/** Writes counts as the one line that ends every test run: `N passed, N failed, N skipped`. */
export function formatCounts({ passed, failed, skipped }: TestCounts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** Where a project's counts are. `nx.json` names this folder as an output, so that a cache hit brings it back. */
export const summaryPath = "test-results/summary.json";

/** Writes a project's counts for `readCounts`. */
export function writeCounts(projectRoot: string, counts: TestCounts): void {
  const path = join(projectRoot, summaryPath);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(counts)}\n`);
}

/** Reads a project's counts; undefined when its tests have not been run. */
export function readCounts(projectRoot: string): TestCounts | undefined {
  try {
    return JSON.parse(readFileSync(join(projectRoot, summaryPath), "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
