import { type Dialect, MysqlDialect, type MysqlDialectConfig } from "kysely";
import { createConnection, createPool, type TypeCastField, type TypeCastNext } from "mysql2";
import type { DatabaseUrl } from "./database-url.ts";

/** How long to wait for the server to take a connection, in milliseconds. */
const connectTimeoutMs = 5_000;

/**
 * What every connection is set to, whatever the server's own settings are. READ COMMITTED: our writes are conditional
 * or lock their rows by key, and need no gap locks, which would make unrelated inserts deadlock. The isolation level
 * has a statement of its own because its variable has another name on MariaDB 10.
 */
const sessionStatements = [
  "set session transaction isolation level read committed",
  "set session sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', " +
    "time_zone = '+00:00', innodb_lock_wait_timeout = 5",
];

/** How Kysely opens a connection to stop a statement by: besides the pool, which may be exhausted. */
type ControlConnection = NonNullable<MysqlDialectConfig["controlConnection"]>;

/** Kysely on mysql2, with at most `maxConnections` connections. Whole numbers of 64 bits are read as `bigint`. */
export function mysqlDialect(url: DatabaseUrl & { readonly engine: "mysql" }, maxConnections: number): Dialect {
  const pool = createPool({
    host: url.host,
    port: url.port,
    user: url.user,
    password: url.password,
    database: url.database,
    charset: "utf8mb4",
    timezone: "Z",
    connectTimeout: connectTimeoutMs,
    connectionLimit: maxConnections,
    maxIdle: maxConnections,
    enableKeepAlive: true,
    typeCast: bigints,
  });
  pool.on("connection", (connection) => {
    // Commands of a connection run in order, so these come before whatever it was opened for.
    for (const statement of sessionStatements) {
      connection.query(statement, (error) => {
        if (error !== null) connection.destroy();
      });
    }
  });
  return new MysqlDialect({ pool, controlConnection: createConnection as ControlConnection });
}

function bigints(field: TypeCastField, next: TypeCastNext): unknown {
  if (field.type !== "LONGLONG") return next();
  const text = field.string();
  return text === null ? null : BigInt(text);
}
