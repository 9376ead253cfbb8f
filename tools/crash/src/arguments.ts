import { parseArgs } from "node:util";
import { wholeNumber } from "@shoal/tools-repo/command-line";

/** What the command line says. */
export interface CrashArguments {
  readonly cycles: number;
  readonly seed: number;
  /** Root's URL of a server to use in place of a private one. */
  readonly database: string | undefined;
  readonly help: boolean;
}

/** How the crash cycles are run. */
export const usage = `npm run crash [-- options]: crashes the services and their database again and again while orders are placed, and checks
that nothing that was acknowledged is lost. Exit code 0 when all holds, 1 when something does not.

  --cycles N         how many crashes, 1 to 100,000 (200)
  --seed N           another number crashes in another order, at other moments (one is drawn, and printed)
  --database URL     root's URL of a MySQL-protocol server, which is not killed, in place of a private one, which is
  --help             show this`;

/** Reads the command line; throws an `Error` that says what is wrong with it. */
export function readArguments(args: readonly string[]): CrashArguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      cycles: { type: "string", default: "200" },
      seed: { type: "string" },
      database: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  return {
    cycles: wholeNumber("--cycles", values.cycles, 1, 100_000),
    seed:
      values.seed === undefined
        ? Math.floor(Math.random() * 2 ** 32)
        : wholeNumber("--seed", values.seed, 0, 2 ** 32 - 1),
    database: values.database,
    help: values.help,
  };
}
