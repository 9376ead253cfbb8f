// `npm run check:observability [-- --files]`: see `usage`. Exit code 0 when all is well, 1 when something is not or could not be
// checked, 2 for arguments that it does not know.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { LaunchError } from "@shoal/launcher";
import { argumentsOrExit } from "@shoal/tools-repo/command-line";
import { onParentGone } from "@shoal/tools-repo/parent";
import { CheckError, requirePrometheus } from "./binaries.ts";
import { checkFiles, checkQueries } from "./check.ts";

const usage = `npm run check:observability [-- --files]: whether Prometheus takes the rules and alerts of deploy/observability, and whether
every panel of the dashboards has something to show of a system that runs: starts all services and a Prometheus that asks
them, and makes calls for half a minute. Needs prometheus and promtool on the PATH.

  --files    only the files, by promtool: nothing is started
  --help     show this`;

/** Longer than anything takes that goes well. */
const timeLimitMs = 180_000;

const asked = argumentsOrExit((args) => {
  const options = { files: { type: "boolean" }, help: { type: "boolean", short: "h" } } as const;
  const { files = false, help = false } = parseArgs({ args: [...args], options }).values;
  return { files, help };
}, usage);

// The services end with this process, and so does Prometheus.
onParentGone(() => process.exit(1));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(130));

const began = performance.now();
try {
  requirePrometheus();
  const home = mkdtempSync(join(tmpdir(), "shoal-observability-"));
  process.on("exit", () => rmSync(home, { recursive: true, force: true }));
  const problems = [...checkFiles(home, say), ...(asked.files ? [] : await checkSystem(home))];
  for (const problem of problems) console.error(problem);
  say(problems.length === 0 ? "all is well" : `${problems.length} problems`);
  process.exitCode = problems.length === 0 ? 0 : 1;
} catch (error) {
  console.error(error instanceof CheckError || error instanceof LaunchError ? error.message : error);
  process.exitCode = 1;
}

async function checkSystem(home: string): Promise<readonly string[]> {
  const limit = setTimeout(() => {
    console.error(`It has not ended within ${timeLimitMs / 1_000} seconds.`);
    process.exit(1);
  }, timeLimitMs);
  try {
    return await checkQueries(home, say);
  } finally {
    clearTimeout(limit);
  }
}

function say(line: string): void {
  console.log(`${((performance.now() - began) / 1_000).toFixed(0).padStart(3)} s  ${line}`);
}
