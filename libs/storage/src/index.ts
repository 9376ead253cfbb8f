export { type ColumnTypes, columnTypes } from "./column-types.ts";
export { type Database, type DatabaseOptions, defaultDatabaseOptions, openDatabase } from "./database.ts";
export { type DatabaseUrl, parseDatabaseUrl } from "./database-url.ts";
export { isUniqueViolation } from "./errors.ts";
export { type Migration, migrate } from "./migrations.ts";
