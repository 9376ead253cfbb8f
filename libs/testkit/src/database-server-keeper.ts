// A process that keeps one private database server for the process that started it, and ends it, its data included,
// when that process is gone: `node database-server-keeper.ts <server binary> [durable]`. Not to be imported, but for its types.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createConnection } from "mysql2/promise";

/** What the keeper sends to the process that started it: once when the server has started, and after each order. */
export type KeeperReport = { readonly url: string } | { readonly error: string };

/** What the keeper may be sent then: end the server as a crash does, or start it again on its data, at its port. */
export type KeeperOrder = "kill" | "start";

const startTimeoutMs = 60_000;

const binary = process.argv[2] ?? "";
const isDurable = process.argv[3] === "durable";
const folder = mkdtempSync(join(tmpdir(), "shoal-mysql-"));
const data = join(folder, "data");
const log = join(folder, "server.log");
const init = join(folder, "init.sql");
const asUser = process.getuid?.() === 0 ? ["--user=root"] : [];
/** Two servers that share a folder for temporary tables take each other's. */
const environment = { ...process.env, TMPDIR: folder };
let server: ChildProcess | undefined;
let url = "";

process.once("disconnect", end);
process.on("message", obey);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, end);
process.once("exit", () => {
  server?.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

try {
  initialize();
  url = await start();
  report({ url });
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

/** Does what the process that started this one wants, and reports when it is done. */
async function obey(order: KeeperOrder): Promise<void> {
  try {
    if (order === "kill") await kill();
    else {
      server = spawnAt(Number(new URL(url).port));
      if (!(await answers(url, server))) throw new Error(logTail());
    }
    report({ url });
  } catch (error) {
    report({ error: error instanceof Error ? error.message : String(error) });
  }
}

/** Starts the server on a free port and waits until it answers; with another port should this one be taken meanwhile. */
async function start(): Promise<string> {
  const password = randomBytes(12).toString("hex");
  writeFileSync(
    init,
    `CREATE USER IF NOT EXISTS 'root'@'127.0.0.1' IDENTIFIED BY '${password}';
GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;
`,
  );
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    server = spawnAt(port);
    const there = `mysql://root:${password}@127.0.0.1:${port}`;
    if (await answers(there, server)) return there;
    if (attempt === 3) throw new Error(logTail());
  }
}

function spawnAt(port: number): ChildProcess {
  return spawn(binary, serverArguments(port), { stdio: "ignore", env: environment });
}

function logTail(): string {
  return readFileSync(log, "utf8").split("\n").slice(-20).join("\n");
}

function serverArguments(port: number): string[] {
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
    "--skip-log-bin",
    "--performance-schema=OFF",
    "--innodb-buffer-pool-size=128M",
    // Unless asked for, the data need not survive a crash; then it need not survive one of the machine.
    `--innodb-flush-log-at-trx-commit=${isDurable ? 2 : 0}`,
    `--innodb-doublewrite=${isDurable ? "ON" : "OFF"}`,
    "--innodb-use-native-aio=OFF",
  ];
}

async function freePort(): Promise<number> {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  listener.close();
  await once(listener, "close");
  if (address === null || typeof address === "string") throw new Error("no free port on 127.0.0.1");
  return address.port;
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

/** Nothing in the data is worth an orderly shutdown. */
async function end(): Promise<void> {
  await kill();
  process.exit();
}

async function kill(): Promise<void> {
  if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
  const exited = once(server, "exit");
  server.kill("SIGKILL");
  await exited;
}

function report(message: KeeperReport): void {
  if (process.connected) process.send?.(message);
}
