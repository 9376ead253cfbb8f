import { Pool } from "@shoal/pool";
import { MysqlDialect, type MysqlDialectConfig, type MysqlPool } from "kysely";
import { createConnection } from "mysql2";
import { type ConnectionSettings, type Engine, leaseForCall } from "./connections.ts";
import type { DatabaseUrl } from "./database-url.ts";
import { type MysqlConnection, openMysqlConnection } from "./mysql-connection.ts";

/** How Kysely opens a connection to stop a statement by: besides the pool, which may be exhausted. */
type ControlConnection = NonNullable<MysqlDialectConfig["controlConnection"]>;

/** Kysely on mysql2, with the connections of a pool of ours. */
export function mysqlEngine(url: DatabaseUrl & { readonly engine: "mysql" }, settings: ConnectionSettings): Engine {
  const onLost = (connection: MysqlConnection, error: unknown) => pool.remove(connection, error);
  const pool: Pool<MysqlConnection> = new Pool({
    ...settings,
    name: `database ${url.database}`,
    open: (signal) => openMysqlConnection(url, settings.openTimeoutMs, signal, onLost),
    close: (connection) => connection.close(),
    check: (connection) => connection.ping(),
  });
  const shared: MysqlPool = {
    getConnection: (callback) => {
      leaseForCall(pool).then(
        (lease) => callback(undefined, lease.member.lendBy(lease)),
        (error) => callback(error, undefined as never),
      );
    },
    // Whoever made the pool drains it.
    end: (callback) => callback(undefined),
  };
  return {
    dialect: new MysqlDialect({ pool: shared, controlConnection: createConnection as ControlConnection }),
    pool,
  };
}
