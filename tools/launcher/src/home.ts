import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { LaunchError } from "./launch-error.ts";

/** A service's process, as the next launcher can find it. */
export interface ServiceRecord {
  readonly name: string;
  readonly pid: number;
  readonly entry: string;
}

/** The folder of one launcher: its services' data, logs and compiled code. */
export interface Home {
  /** Where the embedded databases are: `data/`. */
  readonly dataDirectory: string;
  /** Where Node keeps what it has compiled, so that the next start is quicker: `compiled/`. */
  readonly compiledDirectory: string;
  /** What whoever looks into a service sends to its admin port: in the file `admin-token`, which only its owner can read. */
  readonly adminToken: string;
  /** Where a service's output goes: `logs/<name>.log`. */
  logFile(service: string): string;
  /** Notes which processes run, for a launcher that comes after this one was killed. */
  record(services: readonly ServiceRecord[]): void;
  /** Lets the next launcher in. */
  close(): void;
}

export interface HomeOptions {
  /** Deletes the data first. */
  readonly fresh: boolean;
  /** Told when the services of a launcher that was killed are still ending. */
  readonly onWait: (services: readonly ServiceRecord[]) => void;
  readonly signal: AbortSignal;
}

/** How long the services of a launcher that was killed may take to end, in milliseconds; as long as their drain. */
const leftoverTimeoutMs = 20_000;

/**
 * Opens the folder at `path`, making it where needed, for one launcher at a time: throws a {@link LaunchError} that
 * names the other's process when there is one. The lock is the operating system's on `launcher.lock`, held through
 * SQLite: it ends with its process, however that ends, so it is never stale. Then waits for services that outlive
 * a launcher that was killed.
 */
export async function openHome(path: string, options: HomeOptions): Promise<Home> {
  const recordFile = join(path, "launcher.json");
  const dataDirectory = dataDirectoryIn(path);
  mkdirSync(join(path, "logs"), { recursive: true });
  const lock = takeLock(join(path, "launcher.lock"));
  if (lock === undefined) {
    const { pid } = readRecord(recordFile);
    throw new LaunchError(
      `Shoal already runs here (process ${pid ?? "unknown"}, data in ${path}). ` +
        "Stop it first, or set SHOAL_HOME to another folder, and SHOAL_REGISTRY_PORT and each SHOAL_<SERVICE>_GRPC_PORT and _ADMIN_PORT to other ports (0: any).",
    );
  }
  const record = (services: readonly ServiceRecord[]) =>
    writeFileSync(recordFile, `${JSON.stringify({ pid: process.pid, services })}\n`);
  try {
    await waitForLeftovers(readRecord(recordFile).services, options);
    record([]);
    if (options.fresh) rmSync(dataDirectory, { recursive: true, force: true });
    mkdirSync(dataDirectory, { recursive: true });
  } catch (error) {
    lock.close();
    throw error;
  }
  return {
    dataDirectory,
    compiledDirectory: join(path, "compiled"),
    adminToken: readOrMakeToken(join(path, "admin-token")),
    logFile: (service) => join(path, "logs", `${service}.log`),
    record,
    close: () => {
      rmSync(recordFile, { force: true });
      lock.close();
    },
  };
}

/** Where the embedded databases are in the folder at `path`. */
export function dataDirectoryIn(path: string): string {
  return join(path, "data");
}

/** The same from start to start. */
function readOrMakeToken(path: string): string {
  try {
    writeFileSync(path, `${randomBytes(16).toString("hex")}\n`, { mode: 0o600, flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  return readFileSync(path, "utf8").trim();
}

function takeLock(path: string): DatabaseSync | undefined {
  const lock = new DatabaseSync(path, { timeout: 0 });
  try {
    lock.exec("begin exclusive");
    return lock;
  } catch (error) {
    lock.close();
    const busy = 5;
    if ((error as { errcode?: number }).errcode === busy) return undefined;
    throw error;
  }
}

function readRecord(path: string): { readonly pid?: number; readonly services: readonly ServiceRecord[] } {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    // None, or left half written: then nothing is known.
    return { services: [] };
  }
}

async function waitForLeftovers(services: readonly ServiceRecord[], { onWait, signal }: HomeOptions): Promise<void> {
  const deadline = performance.now() + leftoverTimeoutMs;
  for (let told = false; ; told = true) {
    const left = services.filter(isRunning);
    if (left.length === 0) return;
    if (!told) onWait(left);
    if (performance.now() > deadline) {
      const named = left.map(({ name, pid }) => `${name} (process ${pid})`).join(", ");
      throw new LaunchError(`These services of an earlier run are still there: ${named}. End them, then start again.`);
    }
    await sleep(50, undefined, { signal });
  }
}

/** Whether that process is there. Process ids are used again: where the system tells (Linux), the script must fit. */
function isRunning({ pid, entry }: ServiceRecord): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(entry);
  } catch {
    return process.platform !== "linux";
  }
}
