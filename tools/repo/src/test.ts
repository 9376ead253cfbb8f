// `npm test [-- nx options]`: runs every project's tests, against a private MySQL-protocol server and with etcd where they
// can be had, and ends with the line `N passed, N failed, N skipped`. Exit code 1 when anything failed, 130 when stopped
// by a signal.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { findDatabaseServerBinary, startDatabaseServer } from "@shoal/testkit/database-server-process";
import { findEtcdBinary } from "@shoal/testkit/etcd-binary";
import { installDatabaseServer } from "./database-server-install.ts";
import { fetchEtcd } from "./etcd-install.ts";
import { onParentGone } from "./parent.ts";
import { formatCounts, noTests, readCounts, sumCounts, summaryPath, type TestCounts } from "./test-counts.ts";
import { packageFolders, toolEnvironment, workspaceRoot } from "./workspace.ts";

interface Server {
  readonly url: string;
  stop(): Promise<void>;
}

const stopped = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stopped.abort());
onParentGone(() => stopped.abort());

const total = await main();
if (stopped.signal.aborted) process.exit(130);
console.log(`\n${formatCounts(total)}`);
process.exitCode = total.failed === 0 ? 0 : 1;

async function main(): Promise<TestCounts> {
  const failure = { ...noTests, failed: 1 };
  let server: Server | undefined;
  try {
    server = await provideServer();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return failure;
  }
  try {
    const etcd = provideEtcd();
    const counts = await runTests(server, etcd, process.argv.slice(2));
    if (process.env["CI"] !== "true" || (server !== undefined && etcd !== undefined)) return counts;
    console.error("In CI a MySQL-protocol server and etcd are required: this run fails without them.");
    return sumCounts([counts, failure]);
  } finally {
    await server?.stop();
  }
}

/** The given server, else a private one; undefined where there can be none. */
async function provideServer(): Promise<Server | undefined> {
  const given = process.env["SHOAL_TEST_MYSQL_URL"];
  if (given) return { url: given, stop: async () => {} };
  if (process.env["SHOAL_TEST_MYSQL"] !== "absent") {
    const binary = findDatabaseServerBinary() ?? (installDatabaseServer() ? findDatabaseServerBinary() : undefined);
    if (binary !== undefined) {
      const started = await startDatabaseServer(binary);
      console.log(`MySQL-protocol tests run against a private ${binary}.`);
      return started;
    }
  }
  console.log("MySQL-protocol tests are skipped: no server. Set SHOAL_TEST_MYSQL_URL, or install MariaDB or MySQL.");
  return undefined;
}

/** The path of etcd's program; undefined where there can be none. */
function provideEtcd(): string | undefined {
  const wanted = process.env["SHOAL_TEST_ETCD"] !== "absent";
  const binary = findEtcdBinary() ?? (wanted && fetchEtcd() ? findEtcdBinary() : undefined);
  if (binary === undefined) console.log("etcd tests are skipped: no etcd. Install it, or name it in SHOAL_TEST_ETCD.");
  else console.log(`etcd tests run with ${binary}.`);
  return binary;
}

/** Runs the tests through nx and sums up the projects' counts: those that ran, and those out of the cache. */
async function runTests(
  server: Server | undefined,
  etcd: string | undefined,
  nxOptions: readonly string[],
): Promise<TestCounts> {
  const summaries = packageFolders().map((folder) => join(workspaceRoot, folder));
  for (const project of summaries) rmSync(join(project, summaryPath), { force: true });
  const exitCode = await runNx(["run-many", "-t", "test", "--parallel=2", ...nxOptions], {
    ...toolEnvironment(),
    // nx runs each project through `npm run`, which would add its own words to every failure.
    npm_config_loglevel: "silent",
    ...(process.stdout.isTTY ? {} : { NO_COLOR: "1", FORCE_COLOR: "0" }),
    // The URL differs from run to run, so it is no part of what nx caches by; whether there is a server is.
    SHOAL_TEST_MYSQL: server === undefined ? "absent" : "available",
    SHOAL_TEST_MYSQL_URL: server?.url ?? "",
    SHOAL_TEST_ETCD: etcd ?? "absent",
  });
  const counts = summaries.map(readCounts).filter((each) => each !== undefined);
  const total = sumCounts(counts);
  // A project that did not come so far as to count its tests; or options that choose no project.
  const unseenFailure = (exitCode !== 0 && total.failed === 0) || counts.length === 0;
  return unseenFailure ? { ...total, failed: 1 } : total;
}

/** Runs nx to its end; with all it has started when this process is told to stop. */
async function runNx(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  if (stopped.signal.aborted) return 1;
  const nx = spawn(join(workspaceRoot, "node_modules/.bin/nx"), args, {
    cwd: workspaceRoot,
    env,
    stdio: ["ignore", "inherit", "inherit"],
    detached: true,
  });
  const kill = (signal: NodeJS.Signals) => {
    if (nx.pid !== undefined && nx.exitCode === null && nx.signalCode === null) process.kill(-nx.pid, signal);
  };
  stopped.signal.addEventListener("abort", () => {
    kill("SIGTERM");
    setTimeout(kill, 3_000, "SIGKILL").unref();
  });
  const [code] = (await once(nx, "exit")) as [number | null];
  return code ?? 1;
}
