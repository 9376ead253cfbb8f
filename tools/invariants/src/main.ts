// `npm run check:invariants [-- options]`: see `usage` in arguments.ts. Exit code 0 when all holds, 1 when something does not
// or could not be checked, 2 for arguments that it does not know.
import { onParentGone } from "@shoal/tools-repo/parent";
import { type InvariantArguments, readArguments, usage } from "./arguments.ts";
import { checkInvariants } from "./check.ts";
import { formatFindings } from "./report.ts";
import { SnapshotError } from "./snapshot.ts";

onParentGone(() => process.exit(1));

const options = argumentsOrExit();
try {
  const began = performance.now();
  const findings = await checkInvariants(options);
  const tookMs = Math.round(performance.now() - began);
  const violated = findings.filter(({ violations }) => violations > 0);
  if (options.json) console.log(JSON.stringify({ ok: violated.length === 0, tookMs, findings }, undefined, 2));
  else {
    console.log(formatFindings(findings));
    const result = violated.length === 0 ? "all hold" : `${violated.length} do not hold`;
    console.log(`${findings.length} invariants, ${result}, in ${(tookMs / 1_000).toFixed(1)} s`);
  }
  process.exitCode = violated.length === 0 ? 0 : 1;
} catch (error) {
  console.error(error instanceof SnapshotError ? `${error.message}; start it with npm start first` : error);
  process.exitCode = 1;
}

function argumentsOrExit(): InvariantArguments {
  try {
    const read = readArguments(process.argv.slice(2), process.env);
    if (!read.help) return read;
    console.log(usage);
    process.exit(0);
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    process.exit(2);
  }
}
