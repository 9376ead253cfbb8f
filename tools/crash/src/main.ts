// `npm run crash [-- options]`: see `usage` in arguments.ts. Exit code 0 when all holds, 1 when something does not or a crash
// did not come about, 2 for arguments that it does not know, 130 after Ctrl-C: pressed again it waits for nothing.
import { argumentsOrExit } from "@shoal/tools-repo/command-line";
import { onParentGone } from "@shoal/tools-repo/parent";
import { readArguments, usage } from "./arguments.ts";
import { planCycles } from "./plan.ts";
import { formatResult } from "./report.ts";
import { runCrashes } from "./run.ts";

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(130);
    stop.abort();
  });
onParentGone(() => stop.abort());

const { cycles, seed, database } = argumentsOrExit(readArguments, usage);
console.log(`${cycles} crashes, seed ${seed}`);
try {
  const plan = planCycles(cycles, seed, database === undefined);
  const result = await runCrashes({
    plan,
    seed,
    database,
    signal: stop.signal,
    progress: (doing) => console.log(doing),
  });
  console.log(`\n${formatResult(result)}`);
  process.exitCode = result.violations.length === 0 ? 0 : 1;
} catch (error) {
  if (stop.signal.aborted) process.exit(130);
  console.error(error);
  process.exitCode = 1;
}
