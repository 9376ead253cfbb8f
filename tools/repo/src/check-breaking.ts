// `node tools/repo/src/check-breaking.ts`: says what in proto/ would break today's callers, compared with
// SHOAL_BREAKING_AGAINST (any git ref), else the merge base with origin/main, else HEAD.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { CheckResult } from "./check-result.ts";
import { printAlone } from "./check-result.ts";
import { runTool } from "./run-tool.ts";
import { workspaceRoot } from "./workspace.ts";

/** Compares the contracts with those of an earlier commit. Passes, and says so, where there is none to compare with. */
export async function checkBreaking(): Promise<CheckResult> {
  const given = process.env["SHOAL_BREAKING_AGAINST"];
  const ref = given || (await git("merge-base", "HEAD", "origin/main")) || (await git("rev-parse", "HEAD"));
  if (!ref) return { ok: true, note: "nothing to compare with: not a git checkout" };
  const commit = await git("rev-parse", "--verify", `${ref}^{commit}`);
  if (!commit) return { ok: false, details: `git knows no ${ref}` };
  const short = given ?? commit.slice(0, 8);
  if (!(await git("ls-tree", commit, "proto"))) return { ok: true, note: `${short} has no proto/` };
  const old = mkdtempSync(join(tmpdir(), "shoal-breaking-"));
  try {
    const laidOut = await layOut(commit, old);
    if (!laidOut.ok) return { ok: false, details: laidOut.output };
    const { ok, output } = await runTool("buf", "breaking", ".", "--against", old);
    return { ok, note: `against ${short}`, details: output };
  } finally {
    rmSync(old, { recursive: true, force: true });
  }
}

/** Puts the commit's proto/ beside today's third-party protos, which are generated and in no commit. */
async function layOut(commit: string, folder: string): Promise<{ ok: boolean; output: string }> {
  const archive = join(folder, "proto.tar");
  const archived = await runTool("git", "archive", "--format=tar", `--output=${archive}`, commit, "proto");
  if (!archived.ok) return archived;
  for (const shared of ["buf.yaml", "libs/contracts/third-party"]) {
    mkdirSync(dirname(join(folder, shared)), { recursive: true });
    symlinkSync(join(workspaceRoot, shared), join(folder, shared));
  }
  return await runTool("tar", "-xf", archive, "-C", folder);
}

/** Answers what git prints; "" where it fails. */
async function git(...args: string[]): Promise<string> {
  const { ok, output } = await runTool("git", ...args).catch(() => ({ ok: false, output: "" }));
  return ok ? output.trim() : "";
}

if (import.meta.main) await printAlone("breaking changes", checkBreaking());
