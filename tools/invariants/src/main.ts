// `npm run check:invariants [-- options]`: see `usage` in arguments.ts. Exit code 0 when all holds, 1 when something does not
// or could not be checked, 2 for arguments that it does not know.
import { argumentsOrExit } from "@shoal/tools-repo/command-line";
import { onParentGone } from "@shoal/tools-repo/parent";
import { readArguments, usage } from "./arguments.ts";
import { checkInvariants } from "./check.ts";
import { allHold, formatFindings } from "./report.ts";
import { SnapshotError } from "./snapshot.ts";

onParentGone(() => process.exit(1));

const options = argumentsOrExit((args) => readArguments(args, process.env), usage);
try {
  const began = performance.now();
  const findings = await checkInvariants(options);
  const tookMs = Math.round(performance.now() - began);
  const ok = allHold(findings);
  console.log(options.json ? JSON.stringify({ ok, tookMs, findings }, undefined, 2) : formatFindings(findings, tookMs));
  process.exitCode = ok ? 0 : 1;
} catch (error) {
  console.error(error instanceof SnapshotError ? error.message : error);
  process.exitCode = 1;
}
