export { createTestDatabase, databaseServer, needsDatabaseServer } from "./database-servers.ts";
export { type StorageEngine, storageEngines } from "./storage-engines.ts";
export { temporaryDirectory } from "./temporary-directory.ts";
