import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { openDatabase } from "@shoal/storage";
import { sql } from "kysely";
import { inDatabase } from "../services/databases.ts";

/** What a database server has done since it was started. */
export interface DatabaseCounts {
  /** Statements that it was sent. */
  readonly statements: number;
  /** Transactions of more than one statement that were committed. */
  readonly commits: number;
}

/** Watches a MySQL-protocol server. */
export interface DatabaseMeter {
  /** Its process; `undefined` where that cannot be known, on another machine for one. */
  readonly pid: number | undefined;
  /** What keeps it from having each commit on the disk before it counts; empty when nothing does. */
  readonly undurable: readonly string[];
  counts(): Promise<DatabaseCounts>;
}

/** Opens a connection of its own to the server, which is closed with `stack`. */
export async function openDatabaseMeter(stack: AsyncDisposableStack, serverUrl: string): Promise<DatabaseMeter> {
  const root = openDatabase(inDatabase(serverUrl, "mysql"), { maxConnections: 1 });
  stack.defer(() => root.close());
  const { rows } = await sql<Readonly<Record<"pidFile" | "folder" | "flush" | "syncBinlog" | "logBin", unknown>>>`
    select @@global.pid_file as pidFile, @@global.datadir as folder, @@global.innodb_flush_log_at_trx_commit as flush,
      @@global.sync_binlog as syncBinlog, @@global.log_bin as logBin`.execute(root.db);
  const [settings] = rows;
  if (settings === undefined) throw new Error("the database server does not tell its settings");
  const { pidFile, folder, flush, syncBinlog, logBin } = settings;
  const isLocal = ["127.0.0.1", "localhost", "[::1]"].includes(new URL(serverUrl).hostname);
  return {
    pid: isLocal ? pidIn(resolve(String(folder), String(pidFile))) : undefined,
    undurable: [
      ...(Number(flush) === 1 ? [] : [`innodb_flush_log_at_trx_commit=${flush}`]),
      ...(Number(logBin) === 0 || Number(syncBinlog) === 1 ? [] : [`sync_binlog=${syncBinlog}`]),
    ],
    counts: async () => {
      const found = await sql<{ readonly Variable_name: string; readonly Value: string }>`
        show global status where Variable_name in ('Questions', 'Com_commit')`.execute(root.db);
      const countOf = (name: string) =>
        Number(found.rows.find((row) => row.Variable_name === name)?.Value ?? Number.NaN);
      return { statements: countOf("Questions"), commits: countOf("Com_commit") };
    },
  };
}

/** The process of a pid file, if it is a database server on this machine: a container's has another id here. */
function pidIn(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, "utf8"));
    const name = readFileSync(`/proc/${pid}/comm`, "utf8");
    return /mysqld|mariadbd/.test(name) ? pid : undefined;
  } catch {
    return undefined;
  }
}
