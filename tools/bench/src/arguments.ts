import { parseArgs } from "node:util";
import { wholeNumber } from "@shoal/tools-repo/command-line";
import type { Bench } from "./bench.ts";

/** What the command line asks for. */
export type BenchArguments =
  | { readonly help: true }
  | {
      readonly help: false;
      readonly bench: Bench;
      readonly json: boolean;
      readonly rounds: number;
      readonly seconds: number;
      readonly only: readonly string[] | undefined;
      /** `sqlite` or a `mysql://` URL. */
      readonly database: string | undefined;
      readonly profile: string | undefined;
    };

/** How the benches are used, and which there are. */
export function usageOf(benches: readonly Bench[]): string {
  const lines = benches.flatMap(({ name, what, subjects, defaults }) => [
    `  ${name.padEnd(11)} ${what}`,
    `  ${"".padEnd(11)} (${defaults.rounds} rounds, ${defaults.seconds} s each; --only ${subjects.join(",")})`,
  ]);
  return `npm run bench -- NAME [options]: measures, side by side in one run.

${lines.join("\n")}

  --json          also print the figures as a JSON array, on the last line
  --rounds N      how often everything is measured; the figures are medians
  --seconds S     how long one thing is measured in one round
  --only A,B      only these, beside the baseline
  --database D    where the services keep their data (${takers(benches)}): sqlite, or mysql://USER:PASSWORD@HOST:PORT, in
                  new databases there, shoal_orders_..., which are dropped at the end
  --profile DIR   write CPU profiles of the measured processes to DIR, where the bench has any
  --help          show this`;
}

/** Reads the command line; throws an `Error` that says what is wrong with it. */
export function readArguments(args: readonly string[], benches: readonly Bench[]): BenchArguments {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      json: { type: "boolean", default: false },
      rounds: { type: "string" },
      seconds: { type: "string" },
      only: { type: "string" },
      database: { type: "string" },
      profile: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help || args.length === 0) return { help: true };
  const names = benches.map(({ name }) => name).join(", ");
  const [name, ...others] = positionals;
  if (name === undefined) throw new Error(`which bench? There are: ${names}`);
  if (others.length > 0) throw new Error(`one bench at a time, not "${positionals.join(" ")}"`);
  const bench = benches.find((candidate) => candidate.name === name);
  if (bench === undefined) throw new Error(`there is no bench "${name}"; there are: ${names}`);
  return {
    help: false,
    bench,
    json: values.json,
    rounds: values.rounds === undefined ? bench.defaults.rounds : wholeNumber("--rounds", values.rounds, 1, 1_000),
    seconds: values.seconds === undefined ? bench.defaults.seconds : secondsOf(values.seconds),
    only: values.only === undefined ? undefined : subjectsOf(values.only, bench),
    database: values.database === undefined ? undefined : databaseOf(values.database, bench, benches),
    profile: values.profile,
  };
}

function takers(benches: readonly Bench[]): string {
  const names = benches.filter(({ takesDatabase }) => takesDatabase).map(({ name }) => name);
  return names.join(", ") || "none";
}

function databaseOf(text: string, { name, takesDatabase }: Bench, benches: readonly Bench[]): string {
  if (!takesDatabase) throw new Error(`--database: the bench ${name} takes none; benches that do: ${takers(benches)}`);
  if (text === "sqlite" || (/^mysql:\/\/./.test(text) && URL.canParse(text))) return text;
  throw new Error("--database must be sqlite or mysql://USER:PASSWORD@HOST:PORT");
}

function secondsOf(text: string): number {
  const [min, max] = [0.05, 60];
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (seconds >= min && seconds <= max) return seconds;
  throw new Error(`--seconds must be a number from ${min} to ${max}, not "${text}"`);
}

function subjectsOf(text: string, { name, subjects }: Bench): readonly string[] {
  const only = text.split(",");
  for (const subject of only)
    if (!subjects.includes(subject))
      throw new Error(`--only: the bench ${name} has no "${subject}"; it has: ${subjects.join(", ")}`);
  return only;
}
