import { execFile } from "node:child_process";
import { join } from "node:path";
import { repositoryRoot } from "@shoal/services";

/** What came of a call. */
export interface BufCurlResult {
  readonly exitCode: number;
  /** The response; undefined when the call failed. */
  // biome-ignore lint/suspicious/noExplicitAny: JSON whose shape the assertions check.
  readonly response: any;
  /** The error, as buf prints it. */
  readonly error: string;
}

/**
 * Calls `method`, such as `shoal.user.v1.UserService/GetUser`, with `buf curl`, which learns the schema from the
 * server's reflection.
 */
export async function bufCurl(address: string, method: string, request: object): Promise<BufCurlResult> {
  const arguments_ = ["curl", "--protocol", "grpc", "--http2-prior-knowledge", "-d", JSON.stringify(request)];
  return await run(join(repositoryRoot, "node_modules/.bin/buf"), [...arguments_, `http://${address}/${method}`]);
}

/** Runs a line as if it had been pasted into a shell in the repository, and reads what `buf curl` printed. */
export async function paste(line: string): Promise<BufCurlResult> {
  return await run("/bin/sh", ["-c", line]);
}

function run(command: string, args: readonly string[]): Promise<BufCurlResult> {
  return new Promise((resolve) => {
    execFile(command, args, { cwd: repositoryRoot, timeout: 30_000 }, (error, stdout, stderr) => {
      const exitCode = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      resolve({ exitCode, response: exitCode === 0 ? JSON.parse(stdout) : undefined, error: `${stdout}${stderr}` });
    });
  });
}
