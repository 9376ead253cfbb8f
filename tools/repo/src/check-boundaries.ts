// `node tools/repo/src/check-boundaries.ts`: says which imports break the design's rules (see boundaries.ts).
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { boundaryViolations, type Layers } from "./boundaries.ts";
import { type CheckResult, printAlone } from "./check-result.ts";
import { workspaceRoot } from "./workspace.ts";
import { readPackages } from "./workspace-packages.ts";

/** Checks this repository's imports against `layers.json`. */
export async function checkBoundaries(): Promise<CheckResult> {
  const layers: Layers = JSON.parse(readFileSync(join(workspaceRoot, "tools/repo/layers.json"), "utf8"));
  const violations = boundaryViolations(readPackages(workspaceRoot), layers);
  return { ok: violations.length === 0, details: violations.join("\n") };
}

if (import.meta.main) await printAlone("layer boundaries", checkBoundaries());
