import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { KeeperOrder, KeeperReport } from "./database-server-keeper.ts";

export { findDatabaseServerBinary } from "./database-server-binary.ts";

/** A private server for tests, empty at its start. */
export interface DatabaseServerProcess {
  /** Root's URL, `mysql://root:password@127.0.0.1:port`. */
  readonly url: string;
  /** Ends the server as a crash does (SIGKILL). Fulfils when it has ended. */
  kill(): Promise<void>;
  /** Starts it again on its data, at the same port. Fulfils when it answers; rejects when it has not within a minute. */
  start(): Promise<void>;
  /** Ends the server and removes its data. Fulfils when both are gone. */
  stop(): Promise<void>;
}

/** How a private server is started. */
export interface DatabaseServerOptions {
  /** Whether a commit outlives a crash of the server, though not one of the machine. Default: false. */
  readonly durable?: boolean;
}

/**
 * Starts a private server: data in a temporary folder, a free port on 127.0.0.1, utf8mb4, strict mode, UTC, and disk
 * writes not awaited. It ends, and its data with it, at the latest when this process ends, however that happens.
 * Does not keep this process alive. Rejects when the server has not answered within a minute.
 */
export async function startDatabaseServer(
  binary: string,
  { durable = false }: DatabaseServerOptions = {},
): Promise<DatabaseServerProcess> {
  const script = join(import.meta.dirname, "database-server-keeper.ts");
  const keeper = fork(script, [binary, ...(durable ? ["durable"] : [])], {
    detached: true,
    execArgv: [],
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  const exited = once(keeper, "exit");
  const reported = async () => {
    const report = await Promise.race([
      once(keeper, "message").then(([message]) => message as KeeperReport),
      exited.then((): KeeperReport => ({ error: "its keeper ended early" })),
    ]);
    if ("error" in report) throw new Error(`${binary} does not start: ${report.error}`);
    return report;
  };
  const obeyed = async (order: KeeperOrder) => {
    keeper.channel?.ref();
    try {
      const report = reported();
      keeper.send(order);
      await report;
    } finally {
      keeper.channel?.unref();
    }
  };
  const { url } = await reported();
  keeper.unref();
  keeper.channel?.unref();
  return {
    url,
    kill: () => obeyed("kill"),
    start: () => obeyed("start"),
    async stop() {
      if (keeper.exitCode !== null || keeper.signalCode !== null) return;
      keeper.ref();
      if (keeper.connected) keeper.disconnect();
      await exited;
    },
  };
}
