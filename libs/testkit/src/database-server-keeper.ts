// A process that keeps one private database server for the process that started it, and ends it, its data included,
// when that process is gone: `node database-server-keeper.ts <server binary> <durable|fast>`. Not to be imported, but for its
// types.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createConnection } from "mysql2/promise";
import { lastingPort } from "./lasting-port.ts";

/** What the keeper is told: to kill its server, and to start it again on its data. */
export type KeeperOrder = "kill" | "restart";

/** What the keeper sends to the process that started it, once its server answers, and when it has done what it was told. */
export type KeeperReport = { readonly url: string } | { readonly error: string };

const startTimeoutMs = 60_000;

/** A commit that is told survives a crash, of the machine too. */
const durable = ["--log-bin=binlog", "--server-id=1", "--sync-binlog=1", "--innodb-flush-log-at-trx-commit=1"];

/** The data need not survive a crash of the machine. */
const fast = ["--skip-log-bin", "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=OFF"];

const [, , binary = "", durability = "fast"] = process.argv;
const folder = mkdtempSync(join(tmpdir(), "shoal-mysql-"));
const data = join(folder, "data");
const log = join(folder, "server.log");
const asUser = process.getuid?.() === 0 ? ["--user=root"] : [];
/** Two servers that share a folder for temporary tables take each other's. */
const environment = { ...process.env, TMPDIR: folder };
let server: ChildProcess | undefined;

process.once("disconnect", end);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, end);
process.once("exit", () => {
  server?.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

try {
  initialize();
  let url = await start();
  report({ url });
  process.on("message", async (order: KeeperOrder) => {
    try {
      if (order === "kill") await kill();
      else url = await start(url);
      report({ url });
    } catch (error) {
      report({ error: error instanceof Error ? error.message : String(error) });
    }
  });
} catch (error) {
  report({ error: error instanceof Error ? error.message : String(error) });
  await end();
}

/** Fills the data folder. No account can be reached over TCP. */
function initialize(): void {
  const isMariaDb = execFileSync(binary, ["--version"], { encoding: "utf8" }).includes("MariaDB");
  const common = ["--no-defaults", `--datadir=${data}`, ...asUser];
  try {
    if (isMariaDb) {
      const install = ["--auth-root-authentication-method=socket", "--skip-test-db"];
      execFileSync(beside(binary, "mariadb-install-db"), [...common, ...install], { stdio: "pipe", env: environment });
    } else execFileSync(binary, [...common, "--initialize-insecure"], { stdio: "pipe", env: environment });
  } catch (error) {
    const { stdout = "", stderr = "", message } = error as Error & { stdout?: Buffer; stderr?: Buffer };
    throw new Error(`${message}\n${stdout}${stderr}`);
  }
}

/** A tool of the same installation: servers are kept in sbin, tools in bin. */
function beside(server: string, tool: string): string {
  const bin = dirname(server).replace(/sbin$|libexec$/, "bin");
  return join(bin, tool);
}

/**
 * Starts the server on a free port and waits until it answers; with another port should this one be taken meanwhile. Where
 * it has been before, at `before`, there it is again.
 */
async function start(before?: string): Promise<string> {
  const password = before === undefined ? randomBytes(12).toString("hex") : new URL(before).password;
  const init = join(folder, "init.sql");
  writeFileSync(
    init,
    `CREATE USER IF NOT EXISTS 'root'@'127.0.0.1' IDENTIFIED BY '${password}';
GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;
`,
  );
  for (let attempt = 1; ; attempt++) {
    const port = before === undefined ? await lastingPort() : Number(new URL(before).port);
    server = spawn(binary, serverArguments(port, init), { stdio: "ignore", env: environment });
    const url = `mysql://root:${password}@127.0.0.1:${port}`;
    if (await answers(url, server)) return url;
    if (attempt === 3) throw new Error(readFileSync(log, "utf8").split("\n").slice(-20).join("\n"));
  }
}

function serverArguments(port: number, init: string): string[] {
  return [
    "--no-defaults",
    ...asUser,
    `--datadir=${data}`,
    `--socket=${join(folder, "server.sock")}`,
    `--pid-file=${join(folder, "server.pid")}`,
    `--log-error=${log}`,
    `--init-file=${init}`,
    "--bind-address=127.0.0.1",
    `--port=${port}`,
    "--loose-mysqlx=OFF",
    "--skip-name-resolve",
    "--max-connections=500",
    "--max-allowed-packet=64M",
    "--character-set-server=utf8mb4",
    "--sql-mode=ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION",
    "--default-time-zone=+00:00",
    "--event-scheduler=OFF",
    "--performance-schema=OFF",
    "--innodb-buffer-pool-size=128M",
    "--innodb-use-native-aio=OFF",
    ...(durability === "durable" ? durable : fast),
  ];
}

/** Waits for the server's first answer. False when it ends instead. */
async function answers(url: string, process: ChildProcess): Promise<boolean> {
  const until = performance.now() + startTimeoutMs;
  while (process.exitCode === null && process.signalCode === null) {
    try {
      const connection = await createConnection(url);
      await connection.end();
      return true;
    } catch (error) {
      if (performance.now() > until) throw error;
    }
    await sleep(50);
  }
  return false;
}

async function kill(): Promise<void> {
  if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
  server.kill("SIGKILL");
  await once(server, "exit");
}

/** Nothing in the data is worth an orderly shutdown. */
async function end(): Promise<void> {
  await kill();
  process.exit();
}

function report(message: KeeperReport): void {
  if (process.connected) process.send?.(message);
}
