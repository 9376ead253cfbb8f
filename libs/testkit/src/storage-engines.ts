import { join } from "node:path";
import type { TestContext } from "node:test";
import { createTestDatabase, needsDatabaseServer } from "./database-servers.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

/** One of the engines that state can be kept in, for running a contract suite on each. */
export interface StorageEngine {
  readonly name: string;
  /** Options for its tests: they are skipped, with the reason, where the engine is not to be had. */
  readonly options: { readonly skip?: string };
  /** The URL of a new, empty database that lives as long as the test. */
  createDatabase(t: TestContext): Promise<string>;
}

/** SQLite and MySQL. */
export const storageEngines: readonly StorageEngine[] = [
  {
    name: "SQLite",
    options: {},
    createDatabase: async (t) => `sqlite:${join(await temporaryDirectory(t), "test.db")}`,
  },
  { name: "MySQL", options: needsDatabaseServer(), createDatabase: createTestDatabase },
];
