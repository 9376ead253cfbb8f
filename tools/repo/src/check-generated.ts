import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CheckResult } from "./check-result.ts";
import { runTool } from "./run-tool.ts";
import { workspaceRoot } from "./workspace.ts";

const sources = ["proto", "buf.yaml", "buf.gen.yaml", "package.json", "tools/contracts", "apps/*/package.json"];
const generated = ["libs/contracts/gen", "libs/contracts/third-party"];

/** Generates the contracts' code anew, in a copy, and compares it with what is there, file by file. */
export async function checkGenerated(): Promise<CheckResult> {
  const copy = mkdtempSync(join(tmpdir(), "shoal-generated-"));
  try {
    for (const source of globSync(sources, { cwd: workspaceRoot }))
      cpSync(join(workspaceRoot, source), join(copy, source), { recursive: true });
    symlinkSync(join(workspaceRoot, "node_modules"), join(copy, "node_modules"));
    const { ok, output } = await runTool("node", join(copy, "tools/contracts/src/generate.ts"));
    if (!ok) return { ok, details: output };
    const differing = differences(readAll(copy), readAll(workspaceRoot));
    if (differing.length === 0) return { ok: true };
    return { ok: false, details: `Out of date; run \`npm run generate\`:\n${differing.join("\n")}` };
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function readAll(root: string): Map<string, string> {
  const paths = generated.flatMap((folder) => globSync(`${folder}/**/*.{js,ts,proto}`, { cwd: root }));
  return new Map(paths.map((path) => [path, readFileSync(join(root, path), "utf8")]));
}

function differences(wanted: ReadonlyMap<string, string>, found: ReadonlyMap<string, string>): string[] {
  const paths = new Set([...wanted.keys(), ...found.keys()]);
  return [...paths].filter((path) => wanted.get(path) !== found.get(path)).sort();
}
