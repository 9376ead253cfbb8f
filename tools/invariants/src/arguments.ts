import { parseArgs } from "node:util";
import { databaseUrlOf } from "@shoal/launcher";
import { wholeNumber } from "@shoal/tools-repo/command-line";

/** What the command line and the environment say. */
export interface InvariantArguments {
  /** The URL of the order service's database. */
  readonly order: string;
  /** The URL of the inventory service's database. */
  readonly inventory: string;
  /** Whether nothing is under way: more must hold then. */
  readonly settled: boolean;
  /** How long after its time a hold, or an order whose hold has ended, may still wait to be ended. */
  readonly overdueMs: number;
  readonly json: boolean;
  readonly help: boolean;
}

/** How the check is used. */
export const usage = `npm run check:invariants [-- options]: reads the databases of the order and inventory services and
checks that what must always hold of them does. Changes nothing. Exit code 0 when all holds, 1 when something does not.

  --order URL        the order service's database (SHOAL_ORDER_DATABASE_URL, else what npm start uses)
  --inventory URL    the inventory service's database (SHOAL_INVENTORY_DATABASE_URL, else what npm start uses)
  --settled          nothing is under way, and all time limits have passed: more must hold
  --overdue-ms N     how long after its time a hold may wait to be ended, 0 to 86,400,000 (60,000)
  --json             print the result as JSON
  --help             show this`;

/** Reads the command line; throws an `Error` that says what is wrong with it. Where help is asked for, no value counts. */
export function readArguments(args: readonly string[], env: NodeJS.ProcessEnv): InvariantArguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      order: { type: "string" },
      inventory: { type: "string" },
      settled: { type: "boolean", default: false },
      "overdue-ms": { type: "string", default: "60000" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return { ...readArguments([], env), help: true };
  return {
    order: values.order ?? databaseUrlOf("order", env),
    inventory: values.inventory ?? databaseUrlOf("inventory", env),
    settled: values.settled,
    overdueMs: wholeNumber("--overdue-ms", values["overdue-ms"], 0, 86_400_000),
    json: values.json,
    help: false,
  };
}
