import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { KeeperOrder, KeeperReport } from "./database-server-keeper.ts";

export { findDatabaseServerBinary } from "./database-server-binary.ts";

/** A private server for tests, empty at its start. */
export interface DatabaseServerProcess {
  /** Root's URL, `mysql://root:password@127.0.0.1:port`. */
  readonly url: string;
  /** Kills the server with SIGKILL. Fulfils when it is gone; its data stays. */
  kill(): Promise<void>;
  /** Starts the server that was killed again, on its data and at its URL. Fulfils when it answers; rejects after a minute. */
  restart(): Promise<void>;
  /** Ends the server and removes its data. Fulfils when both are gone. */
  stop(): Promise<void>;
}

/** How a private server works. */
export interface DatabaseServerOptions {
  /** Has each commit on the disk, and in a binary log, before it counts (`sync_binlog`, `innodb_flush_log_at_trx_commit`). */
  readonly durable: boolean;
}

/** Disk writes are not awaited. */
export const defaultDatabaseServerOptions: DatabaseServerOptions = Object.freeze({ durable: false });

/**
 * Starts a private server: data in a temporary folder, a free port on 127.0.0.1, utf8mb4, strict mode, UTC. It ends, and its
 * data with it, at the latest when this process ends, however that happens.
 * Does not keep this process alive. Rejects when the server has not answered within a minute.
 */
export async function startDatabaseServer(
  binary: string,
  options: Partial<DatabaseServerOptions> = {},
): Promise<DatabaseServerProcess> {
  const { durable } = { ...defaultDatabaseServerOptions, ...options };
  const keeper = fork(join(import.meta.dirname, "database-server-keeper.ts"), [binary, durable ? "durable" : "fast"], {
    detached: true,
    execArgv: [],
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  const exited = once(keeper, "exit");
  /** What the keeper says next: it says one thing to each order, and one at its start. */
  const said = async (): Promise<string> => {
    const report = await Promise.race([
      once(keeper, "message").then(([message]) => message as KeeperReport),
      exited.then((): KeeperReport => ({ error: "its keeper ended early" })),
    ]);
    if ("error" in report) throw new Error(`${binary} does not start: ${report.error}`);
    return report.url;
  };
  const told = async (order: KeeperOrder): Promise<void> => {
    if (!keeper.connected) throw new Error("the server was stopped");
    keeper.channel?.ref();
    keeper.send(order);
    await said().finally(() => keeper.channel?.unref());
  };
  const url = await said();
  keeper.unref();
  keeper.channel?.unref();
  return {
    url,
    kill: () => told("kill"),
    restart: () => told("restart"),
    async stop() {
      if (keeper.exitCode !== null || keeper.signalCode !== null) return;
      keeper.ref();
      if (keeper.connected) keeper.disconnect();
      await exited;
    },
  };
}
