import { spawnSync } from "node:child_process";

/** A program that ran to its end. */
export interface Ended {
  readonly ok: boolean;
  readonly output: string;
}

/** Why the check cannot be made, in words for the person who asked for it. */
export class CheckError extends Error {
  override readonly name = "CheckError";
}

/** Throws a {@link CheckError} that says how to get them, where Prometheus and promtool are not on the PATH. */
export function requirePrometheus(): void {
  for (const program of ["prometheus", "promtool"])
    if (spawnSync(program, ["--version"]).error !== undefined)
      throw new CheckError(`There is no ${program} here. Debian and Ubuntu have it: apt-get install prometheus`);
}

/** Has promtool say what it thinks of a file. */
export function promtool(...args: readonly string[]): Ended {
  const { status, stdout, stderr } = spawnSync("promtool", args, { encoding: "utf8", timeout: 60_000 });
  return { ok: status === 0, output: `${stdout}${stderr}`.trim() };
}
