// Runs the tests of the project in the current folder: `node ../../tools/repo/src/run-tests.ts [filter...]`.
// A filter is a part of a file's path. Writes the counts to test-results/summary.json.
import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { formatCounts, noTests, sumCounts, type TestCounts, writeCounts } from "./test-counts.ts";
import { runTestFile, type TestFileResult } from "./test-file.ts";

const project = process.cwd();
const filters = process.argv.slice(2);
const files = globSync("src/**/*.test.ts", { cwd: project })
  .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
  .sort();
const stop = new AbortController();
for (const [signal, exitCode] of [["SIGINT", 130] as const, ["SIGTERM", 143] as const]) {
  process.once(signal, () => {
    stop.abort();
    process.exit(exitCode);
  });
}

// What is read if this process dies before it has written the true counts.
writeCounts(project, { ...noTests, failed: 1 });
const total = sumCounts(await runAll(Math.min(2, availableParallelism())));
writeCounts(project, total);
const isMissed = files.length === 0 && filters.length > 0;
if (isMissed) console.error(`no test file of this project has ${filters.join(" or ")} in its path`);
else console.log(files.length === 0 ? "no tests" : formatCounts(total));
process.exitCode = total.failed === 0 && !isMissed ? 0 : 1;

/** Runs the files, some at a time, and prints each as it ends. */
async function runAll(concurrency: number): Promise<TestCounts[]> {
  const waiting = [...files];
  const counts: TestCounts[] = [];
  const worker = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const result = await runTestFile(file, { cwd: project, signal: stop.signal });
      print(file, result);
      counts.push(result.counts);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return counts;
}

function print(file: string, { counts, failures, skips, output, durationMs }: TestFileResult): void {
  console.log(`${failures.length === 0 ? "✓" : "✗"} ${file}  ${formatCounts(counts)}  ${Math.round(durationMs)} ms`);
  for (const { name, detail } of skips) console.log(`    skipped: ${name}${detail === "" ? "" : ` (${detail})`}`);
  if (failures.length === 0) return;
  for (const { name, line, detail } of failures) {
    console.log(`    ✗ ${name}${line === undefined ? "" : `  ${file}:${line}`}`);
    console.log(indent(detail));
  }
  if (output.trim() !== "") console.log(`    output:\n${indent(output.trimEnd().split("\n").slice(-200).join("\n"))}`);
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, "        ");
}
