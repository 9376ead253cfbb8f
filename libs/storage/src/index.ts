export { type ColumnTypes, columnTypes } from "./column-types.ts";
export { admission, type Database, type DatabaseOptions, defaultDatabaseOptions, openDatabase } from "./database.ts";
export { type DatabaseUrl, parseDatabaseUrl } from "./database-url.ts";
export { isUniqueViolation } from "./errors.ts";
export { type ConnectionLog, logConnections } from "./log-connections.ts";
export { type Migration, migrate } from "./migrations.ts";
