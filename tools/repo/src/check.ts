// `npm run check`: all that can be said about the repository without running it. Prints one line a check, and the
// details of those that failed; exit code 1 when any did.
import { checkBoundaries } from "./check-boundaries.ts";
import { checkBreaking } from "./check-breaking.ts";
import { checkGenerated } from "./check-generated.ts";
import { checkLockFile } from "./check-lock-file.ts";
import { type CheckResult, printResult } from "./check-result.ts";
import { onParentGone } from "./parent.ts";
import { runTool } from "./run-tool.ts";

onParentGone(() => process.exit(1));

const checks: Readonly<Record<string, () => Promise<CheckResult>>> = {
  "format and lint": () => tool("biome", "ci", "--colors=off", "--error-on-warnings", "."),
  types: () => tool("tsc", "--noEmit"),
  "layer boundaries": checkBoundaries,
  "lock file": checkLockFile,
  "deployment files": () => tool("node", "tools/deploy/src/write.ts", "--check"),
  "contracts: lint": () => tool("buf", "lint"),
  "contracts: format": () => tool("buf", "format", "--diff", "--exit-code", "proto"),
  "contracts: breaking changes": checkBreaking,
  "contracts: generated code": checkGenerated,
};

// Side by side, printed in order.
const running = Object.entries(checks).map(([name, check]) => ({ name, result: settled(check) }));
let failed = 0;
for (const { name, result } of running) {
  const ended = await result;
  if (!ended.ok) failed += 1;
  printResult(name, ended);
}
if (failed > 0) {
  console.log(`${failed} of ${running.length} checks failed.`);
  process.exitCode = 1;
}

async function tool(command: string, ...args: string[]): Promise<CheckResult> {
  const { ok, output } = await runTool(command, ...args);
  return { ok, details: output };
}

async function settled(check: () => Promise<CheckResult>): Promise<CheckResult> {
  try {
    return await check();
  } catch (error) {
    return { ok: false, details: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
