import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What can be told what to do at its end: a test, or a suite that calls it back itself. */
export interface Ending {
  after(end: () => unknown): void;
}

/** Makes an empty folder under the system's temporary folder. It is removed, with all in it, after the test. */
export async function temporaryDirectory(t: Ending): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "shoal-test-"));
  t.after(() => rm(path, { recursive: true, force: true, maxRetries: 3 }));
  return path;
}
