import { DatabaseSync } from "node:sqlite";
import { createConnection } from "mysql2/promise";

/** Reads a service's database past the service. */
export interface DatabaseDump {
  /**
   * Every row of every table, sorted: `table {"column":"value"}`. Without what is kept of refused requests, and the places of
   * events, which come later.
   */
  rows(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** Opens what a service's database URL names; never writes. */
export async function openDatabaseDump(url: string): Promise<DatabaseDump> {
  return url.startsWith("sqlite:") ? sqliteDump(url.slice("sqlite:".length)) : await mysqlDump(url);
}

function sqliteDump(path: string): DatabaseDump {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
  const read = (sql: string) => {
    const statement = database.prepare(sql);
    statement.setReadBigInts(true);
    return statement.all();
  };
  return {
    rows: async () => {
      const tables = read("select name from sqlite_schema where type = 'table'").map(({ name }) => String(name));
      return tables.flatMap((table) => read(`select * from "${table}"`).flatMap((row) => describe(table, row))).sort();
    },
    close: async () => database.close(),
  };
}

async function mysqlDump(url: string): Promise<DatabaseDump> {
  const connection = await createConnection({ uri: url, supportBigNumbers: true, bigNumberStrings: true });
  const read = async (sql: string) => (await connection.query(sql))[0] as Record<string, unknown>[];
  return {
    rows: async () => {
      const named = await read(
        "select table_name as name from information_schema.tables where table_schema = database()",
      );
      const rows = await Promise.all(
        named.map(async ({ name }) =>
          (await read(`select * from \`${name}\``)).flatMap((row) => describe(String(name), row)),
        ),
      );
      return rows.flat().sort();
    },
    close: () => connection.end(),
  };
}

function describe(table: string, { seq: _, ...row }: Record<string, unknown>): readonly string[] {
  if (table === "outbox_position" || (table === "idempotency_records" && row["error"] !== null)) return [];
  return [`${table} ${JSON.stringify(row, (_, value) => (typeof value === "bigint" ? String(value) : value))}`];
}
