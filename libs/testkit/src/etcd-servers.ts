import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { findEtcdBinary } from "./etcd-binary.ts";
import { lastingPort } from "./lasting-port.ts";
import { until } from "./until.ts";

/**
 * Options for a test that needs etcd: the test is skipped, with the reason, where there is none.
 *
 *     test("announces itself", needsEtcd(), async (t) => {
 *       const etcd = await startEtcd(t);
 */
export function needsEtcd(): { readonly skip?: string } {
  return findEtcdBinary() === undefined ? { skip: "no etcd: install it, or name its program in SHOAL_TEST_ETCD" } : {};
}

/** A private etcd of one member, which a test may mistreat. */
export interface EtcdServer {
  /** `HOST:PORT`, the same after a restart. */
  readonly address: string;
  /** Ends it with SIGKILL. Fulfils when it is gone. Its data stay. */
  kill(): Promise<void>;
  /** Starts it again at its address after {@link kill}: with its data, or empty. Fulfils when it answers. */
  start(data: "kept" | "empty"): Promise<void>;
  /** Stops it in its tracks (SIGSTOP): connections are accepted and nothing is answered. */
  pause(): void;
  /** Lets it go on. */
  resume(): void;
  /** Calls its JSON gateway, such as `/v3/kv/range`. Rejects when it refuses, or does not answer within 5 s. */
  call(path: string, body: object): Promise<unknown>;
}

const startTimeoutMs = 10_000;

// Keeps etcd for as long as its own standard input is open, so that it ends with the test process, however that ends.
// `kept` on it lets the data be; anything else removes them.
const keeper = `folder="$1"; log="$2"; shift 2
"$@" >>"$log" 2>&1 &
echo "$!"
read -r data
kill -9 "$!" 2>/dev/null
wait "$!"
[ "$data" = kept ] || rm -rf "$folder"`;

/** How {@link startEtcd} starts one. */
export interface EtcdServerOptions {
  /**
   * The files of its certificate and key, for TLS, and of the authority that its clients' certificates must be of.
   * `call` does not work then.
   */
  readonly tls?: { readonly certFile: string; readonly keyFile: string; readonly caFile: string };
}

/** Starts an empty one on a free port of 127.0.0.1. After `t` (a test, or all of a file: `{ after }`) it ends and its data are removed. */
export async function startEtcd(
  t: { after(end: () => Promise<void>): void },
  { tls }: EtcdServerOptions = {},
): Promise<EtcdServer> {
  const binary = findEtcdBinary();
  if (binary === undefined) throw new Error(needsEtcd().skip);
  const folder = await mkdtemp(join(tmpdir(), "shoal-etcd-"));
  const log = join(folder, "log");
  let running: { readonly keeper: ChildProcess; readonly pid: number } | undefined;

  const run = async (port: number) => {
    const address = `127.0.0.1:${port}`;
    const args = [folder, log, binary, ...etcdArguments(address, join(folder, "data"), tls)];
    const child = spawn("sh", ["-c", keeper, "sh", ...args], { stdio: ["pipe", "pipe", "ignore"], detached: true });
    const [pid] = await once(createInterface(child.stdout), "line");
    running = { keeper: child, pid: Number(pid) };
  };
  const end = async (data: "kept" | "removed") => {
    if (running === undefined) return;
    const { keeper: child } = running;
    running = undefined;
    const exited = once(child, "exit");
    child.stdin?.end(`${data}\n`);
    await exited;
  };
  t.after(async () => {
    await end("removed");
    rmSync(folder, { recursive: true, force: true });
  });

  let port = 0;
  const call = (path: string, body: object) => post(`http://127.0.0.1:${port}${path}`, body);
  const start = async () => {
    if (running !== undefined) throw new Error("this etcd is running: kill it before it is started again");
    await run(port);
    const answers = tls ? () => accepts(port) : () => call("/v3/kv/range", { key: "AA==" });
    await until("etcd answers", answers, startTimeoutMs).catch(async (error) => {
      await end("kept");
      const said = readFileSync(log, "utf8").split("\n").slice(-10).join("\n");
      throw new Error(`${binary} does not start: ${error.message}\n${said}`);
    });
  };
  for (let attempt = 1; ; attempt++) {
    port = await lastingPort();
    try {
      await start();
      break;
    } catch (error) {
      // Somebody else may have taken the port meanwhile.
      if (attempt === 3) throw error;
    }
  }
  return {
    address: `127.0.0.1:${port}`,
    kill: () => end("kept"),
    async start(data) {
      if (data === "empty") rmSync(join(folder, "data"), { recursive: true, force: true });
      await start();
    },
    pause: () => running && process.kill(running.pid, "SIGSTOP"),
    resume: () => running && process.kill(running.pid, "SIGCONT"),
    call,
  };
}

function etcdArguments(address: string, data: string, tls: EtcdServerOptions["tls"]): string[] {
  const url = `${tls ? "https" : "http"}://${address}`;
  return [
    "--name=test",
    `--data-dir=${data}`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    ...(tls ? [`--cert-file=${tls.certFile}`, `--key-file=${tls.keyFile}`, `--trusted-ca-file=${tls.caFile}`] : []),
    ...(tls ? ["--client-cert-auth"] : []),
    // Nobody is to connect here.
    "--listen-peer-urls=http://127.0.0.1:0",
    "--initial-advertise-peer-urls=http://127.0.0.1:0",
    "--initial-cluster=test=http://127.0.0.1:0",
    // It is alone, so its election need not wait for others.
    "--heartbeat-interval=20",
    "--election-timeout=200",
    "--log-level=warn",
  ];
}

/** Whether somebody listens there. */
async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } finally {
    socket.destroy();
  }
}

async function post(url: string, body: object): Promise<unknown> {
  const response = await fetch(url, { method: "POST", body: JSON.stringify(body), signal: AbortSignal.timeout(5_000) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`);
  return JSON.parse(text);
}
