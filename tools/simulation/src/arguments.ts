import { parseArgs } from "node:util";

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

/** Reads the command line; throws an `Error` that says what is wrong with it. */
export function readArguments(args: readonly string[]): SimulationArguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: "string", default: "10000" },
      from: { type: "string", default: "1" },
      seed: { type: "string" },
      trace: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const number = (name: "seeds" | "from" | "seed", least: number, most: number): number => {
    const text = values[name] ?? "";
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most))
      throw new Error(`--${name} must be a whole number from ${least} to ${most}, not "${text}"`);
    return value;
  };
  const { trace, help } = values;
  if (values.seed !== undefined) return { seeds: 1, from: number("seed", 0, 4_000_000_000), trace, help };
  return { seeds: number("seeds", 1, 100_000_000), from: number("from", 0, 4_000_000_000), trace, help };
}
