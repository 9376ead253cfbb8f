// `npm run simulate [-- options]`: see `usage` in arguments.ts. Exit code 0 when all holds, 1 when something does not, 2 for
// arguments that it does not know, 130 after Ctrl-C.
import { argumentsOrExit } from "@shoal/tools-repo/command-line";
import { onParentGone } from "@shoal/tools-repo/parent";
import { readArguments, usage } from "./arguments.ts";
import { type SimulationResult, simulate } from "./simulate.ts";

/** How many failing seeds are told of before it stops. */
const maxFailing = 10;

/** How often progress is shown, in milliseconds. */
const showEveryMs = 200;

process.on("SIGINT", () => process.exit(130));
onParentGone(() => process.exit(1));

const { seeds, from, trace } = argumentsOrExit(readArguments, usage);
const began = performance.now();
const totals = { events: 0, orders: 0, confirmed: 0 };
let failing = 0;
let shownAt = 0;
let done = 0;
while (done < seeds && failing < maxFailing) {
  const seed = from + done;
  const result = await simulate({ seed, ...(trace && { trace: (line) => console.log(line) }) });
  done += 1;
  totals.events += result.events;
  totals.orders += result.orders;
  totals.confirmed += result.confirmed;
  if (result.violation !== undefined) tell(result);
  if (process.stderr.isTTY && performance.now() - shownAt > showEveryMs) {
    shownAt = performance.now();
    process.stderr.write(`\r${done} of ${seeds} seeds, ${failing} with violations\u001b[K`);
  }
}
if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
const seconds = ((performance.now() - began) / 1_000).toFixed(1);
const inDigits = (count: number) => count.toLocaleString("en");
console.log(
  `${inDigits(done)} seeds, ${failing} with violations, in ${seconds} s: ${inDigits(totals.events)} events, ` +
    `${inDigits(totals.orders)} orders, ${inDigits(totals.confirmed)} of them confirmed`,
);
process.exitCode = failing === 0 ? 0 : 1;

function tell({ seed, violation, conditions }: SimulationResult): void {
  failing += 1;
  console.log(`seed ${seed}: ${violation}`);
  console.log(`  under ${JSON.stringify(conditions)}`);
  console.log(`  again, with its history: npm run simulate -- --seed ${seed} --trace`);
}
