import { parseArgs } from "node:util";
import { wholeNumber } from "@shoal/tools-repo/command-line";

/** What the command line says. */
export interface SimulationArguments {
  /** How many seeds are run, and from which on. */
  readonly seeds: number;
  readonly from: number;
  /** Whether all that happens is printed. */
  readonly trace: boolean;
  readonly help: boolean;
}

/** How the simulation is used. */
export const usage = `npm run simulate [-- options]: runs the order and inventory services with clients, crashes, lost and late
messages and wrong clocks in one process, once for each seed, and checks that what must always hold does. The same seed does
the same again. Exit code 0 when all holds, 1 when something does not.

  --seeds N    how many seeds, 1 to 100,000,000 (10,000)
  --from N     the first one, 0 to 4,000,000,000 (1)
  --seed N     this one only
  --trace      print all that happens
  --help       show this`;

const maxSeed = 4_000_000_000;
const defaults = { seeds: 10_000, from: 1 };

/** Reads the command line; throws an `Error` that says what is wrong with it. */
export function readArguments(args: readonly string[]): SimulationArguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: "string" },
      from: { type: "string" },
      seed: { type: "string" },
      trace: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const { seeds, from, seed, trace, help } = values;
  if (help) return { ...defaults, trace, help };
  if (seed === undefined)
    return {
      seeds: seeds === undefined ? defaults.seeds : wholeNumber("--seeds", seeds, 1, 100_000_000),
      from: from === undefined ? defaults.from : wholeNumber("--from", from, 0, maxSeed),
      trace,
      help,
    };
  if (seeds !== undefined || from !== undefined) throw new Error("--seed goes without --seeds and --from");
  return { seeds: 1, from: wholeNumber("--seed", seed, 0, maxSeed), trace, help };
}
