import { parseArgs } from "node:util";
import { wholeNumber } from "@shoal/tools-repo/command-line";

/** What the command line says. */
export interface CrashArguments {
  readonly cycles: number;
  readonly seed: number;
  /** The URL of a server to use in place of a private one, and of a user there who may create databases. */
  readonly database: string | undefined;
  readonly help: boolean;
}

/** How the crash cycles are run. */
export const usage = `npm run crash [-- options]: crashes the services and their database again and again while orders are placed, and checks
that nothing that was acknowledged is lost. Exit code 0 when all holds, 1 when something does not.

  --cycles N         how many crashes, 1 to 100,000 (200)
  --seed N           another number crashes in another order, at other moments (one is drawn, and printed)
  --database URL     mysql://USER:PASSWORD@HOST:PORT of a server, which is not killed, in place of a private one, which is;
                     the run has databases of its own there, shoal_crash_…, which it creates, and drops in the end
  --help             show this`;

/** Reads the command line; throws an `Error` that says what is wrong with it. */
export function readArguments(args: readonly string[]): CrashArguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      cycles: { type: "string" },
      seed: { type: "string" },
      database: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  // Who asks for help is not told first what else is wrong.
  const { cycles = "200", seed, database }: Partial<typeof values> = values.help ? {} : values;
  return {
    cycles: wholeNumber("--cycles", cycles, 1, 100_000),
    seed: seed === undefined ? Math.floor(Math.random() * 2 ** 32) : wholeNumber("--seed", seed, 0, 2 ** 32 - 1),
    database: database === undefined ? undefined : serverUrl(database),
    help: values.help,
  };
}

function serverUrl(text: string): string {
  if (URL.canParse(text) && /^mysql:\/\/[^/]/.test(text)) return text;
  throw new Error("--database must be mysql://USER:PASSWORD@HOST:PORT");
}
