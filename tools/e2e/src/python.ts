import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { repositoryRoot } from "@shoal/services";
import { temporaryDirectory } from "@shoal/testkit";

/** The system's Python, which the system's packages are for. */
const python = "/usr/bin/python3";
const packages = ["python3-grpcio", "python3-protobuf"];

/**
 * Options for a test that needs Python's gRPC library: skipped, with the reason, where there is none. In CI it is
 * installed where that can be done without asking: as root on Debian and its descendants.
 */
export function needsPythonGrpc(): { readonly skip?: string } {
  if (!hasPythonGrpc() && mayInstall()) {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    spawnSync("apt-get", ["-q", "update"], { env });
    spawnSync("apt-get", ["-q", "install", "--yes", "--no-install-recommends", ...packages], { env });
  }
  return hasPythonGrpc() ? {} : { skip: `${python} has no gRPC: install ${packages.join(" and ")}` };
}

function hasPythonGrpc(): boolean {
  return spawnSync(python, ["-c", "import grpc, google.protobuf"]).status === 0;
}

function mayInstall(): boolean {
  return process.env["CI"] === "true" && process.getuid?.() === 0 && existsSync("/etc/debian_version");
}

/** What came of a call. Messages are in protobuf's JSON. */
export interface PythonResult {
  // biome-ignore lint/suspicious/noExplicitAny: JSON whose shape the assertions check.
  readonly responses?: readonly any[];
  /** When it failed, with the rest. */
  readonly code?: string;
  readonly message?: string;
  readonly details?: readonly Readonly<Record<string, unknown>>[];
}

/** Calls a method, such as `shoal.user.v1.UserService/GetUser`; of a stream it takes the first `take` responses. */
export type PythonClient = (
  address: string,
  method: string,
  requests: readonly object[],
  take?: number,
) => Promise<PythonResult>;

/** Starts a client in Python that knows the contracts from `proto/`. It ends with the test. */
export async function pythonClient(t: TestContext): Promise<PythonClient> {
  const descriptors = join(await temporaryDirectory(t), "contracts.binpb");
  const build = ["build", "--as-file-descriptor-set", "-o", descriptors];
  execFileSync(join(repositoryRoot, "node_modules/.bin/buf"), build, { cwd: repositoryRoot });
  const script = join(import.meta.dirname, "python-client.py");
  const child: ChildProcess = spawn(python, [script, descriptors], { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => child.kill());
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new Error("the client has no pipes");
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  return async (address, method, requests, take) => {
    stdin.write(`${JSON.stringify({ address, method, requests, take })}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error("the Python client has ended");
    return JSON.parse(value);
  };
}
