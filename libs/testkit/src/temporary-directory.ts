import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

/** Makes an empty folder under the system's temporary folder. It is removed, with all in it, after the test. */
export async function temporaryDirectory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "shoal-test-"));
  t.after(() => rm(path, { recursive: true, force: true, maxRetries: 3 }));
  return path;
}
