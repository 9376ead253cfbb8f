// `npm run demo [-- options]`: see `usage` in arguments.ts. Exit code 0 when stock adds up and no invariant is violated in the
// databases, 1 otherwise or when the demo could not be run, 2 for arguments that it does not know, 130 after Ctrl-C.
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { styleText } from "node:util";
import { SettingsError } from "@shoal/config";
import { AppError, newId } from "@shoal/kernel";
import { argumentsOrExit } from "@shoal/tools-repo/command-line";
import { onParentGone } from "@shoal/tools-repo/parent";
import { type DemoArguments, readArguments, usage } from "./arguments.ts";
import { parseCatalogue } from "./catalogue.ts";
import { checkDatabases } from "./database-check.ts";
import { DemoError } from "./demo-error.ts";
import { scarcestOf } from "./order-plan.ts";
import { type DemoResult, runDemo } from "./run-demo.ts";
import { demoSettings } from "./settings.ts";
import { formatSummary } from "./summary.ts";
import { connect } from "./system.ts";

/** Problems that are printed. */
const maxPrinted = 20;

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(130);
    stop.abort();
  });
}
onParentGone(() => stop.abort());

const options = argumentsOrExit(readArguments, usage);
try {
  process.exitCode = (await demo(options)) ? 0 : 1;
} catch (error) {
  if (stop.signal.aborted) {
    console.error("Stopped. Orders that were placed and not confirmed give their stock back when their time is over.");
    process.exit(130);
  }
  printError(messageOf(error));
  process.exitCode = 1;
}

/** Runs the demo and prints what it found; answers whether stock adds up. */
async function demo({ orders, users, seed, catalogue }: DemoArguments): Promise<boolean> {
  const settings = demoSettings(process.env);
  const products = await readCatalogue(catalogue);
  await using system = await connect(settings, stop.signal);
  const runId = newId();
  const counts = [products.length, users, orders].map((count) => count.toLocaleString("en"));
  console.log(`Run ${runId}: ${counts[0]} products, ${counts[1]} users, ${counts[2]} orders`);
  const { signal } = stop;
  const result = await runDemo({ system, products, orders, users, seed, runId, signal, output: process.stdout });
  console.log(`\n${formatSummary(result, scarcestOf(products).sku)}`);
  const { problems } = result;
  if (problems.length === 0) {
    console.log(styleText("green", "stock adds up"));
    return await databasesHold(result);
  }
  for (const problem of problems.slice(0, maxPrinted)) printError(problem);
  if (problems.length > maxPrinted) printError(`and ${problems.length - maxPrinted} more`);
  printError("stock does not add up, unless something else changed it at the same time");
  return false;
}

/** Has the databases checked, and prints what was found. */
async function databasesHold({ placing }: DemoResult): Promise<boolean> {
  const [order] = placing.toSettle;
  if (order === undefined) return true;
  const { words, ok } = await checkDatabases(process.env, order.id);
  console.log(`\n${words}`);
  return ok;
}

async function readCatalogue(path: string | undefined) {
  // npm runs scripts in the root and says where it was called, which is where a path is meant from.
  const from = process.env["INIT_CWD"] ?? process.cwd();
  const file = path === undefined ? join(import.meta.dirname, "../catalogue.csv") : resolve(from, path);
  try {
    return parseCatalogue(await readFile(file, "utf8"), path ?? "catalogue.csv");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT")
      throw new DemoError(`there is no file ${file}`, { cause: error });
    throw error;
  }
}

/** What is expected to go wrong is told in words; anything else with its stack. */
function messageOf(error: unknown): string {
  if (error instanceof DemoError || error instanceof SettingsError) return error.message;
  if (error instanceof AppError) return `the system refused a call with ${error.reason}: ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function printError(message: string): void {
  console.error(styleText("red", message, { stream: process.stderr }));
}
