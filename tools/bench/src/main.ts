// `npm run bench [-- NAME options]`: see `usageOf` in arguments.ts. Exit code 0 when the bench has run, 1 when it could
// not, 2 for arguments that it does not know, 130 after Ctrl-C.
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { styleText } from "node:util";
import { argumentsOrExit } from "@shoal/tools-repo/command-line";
import { onParentGone } from "@shoal/tools-repo/parent";
import { type BenchArguments, readArguments, usageOf } from "./arguments.ts";
import { benches } from "./benches.ts";
import { showProgress } from "./progress.ts";
import { formatReport } from "./report.ts";

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(130);
    stop.abort();
  });
}
onParentGone(() => stop.abort());

const asked = argumentsOrExit((args) => readArguments(args, benches), usageOf(benches));
if (!asked.help) await run(asked);

async function run({ bench, json, profile, ...settings }: BenchArguments & { help: false }): Promise<void> {
  const progress = showProgress(process.stderr);
  try {
    const { signal } = stop;
    const profileDir = profile === undefined ? undefined : folderOf(profile);
    const report = await bench.run({ ...settings, profileDir, signal, progress: progress.show });
    progress.end();
    console.log(formatReport(report, json));
  } catch (error) {
    progress.end();
    if (stop.signal.aborted) process.exit(130);
    console.error(styleText("red", `the bench ${bench.name} failed: ${messageOf(error)}`, { stream: process.stderr }));
    process.exitCode = 1;
  }
}

function folderOf(path: string): string {
  // npm runs scripts in the root and says where it was called, which is where a path is meant from.
  const folder = resolve(process.env["INIT_CWD"] ?? process.cwd(), path);
  mkdirSync(folder, { recursive: true });
  return folder;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
