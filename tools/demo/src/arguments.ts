import { parseArgs } from "node:util";
import { wholeNumber } from "@shoal/tools-repo/command-line";

/** What the command line says. */
export interface DemoArguments {
  readonly orders: number;
  readonly users: number;
  readonly seed: number;
  /** The catalogue to load instead of the one that comes with the demo. */
  readonly catalogue: string | undefined;
  readonly help: boolean;
}

/** How the demo is used. */
export const usage = `npm run demo [-- options]: loads products into the running system, places orders for them, and checks that
stock adds up, and the invariants in the databases if they are those of npm start or of the environment. Exit code 0 when all holds.

  --orders N         how many orders to send, 1 to 100,000 (3,000)
  --users N          how many users to create for them, 1 to 10,000 (100)
  --seed N           another number plans other orders (1)
  --catalogue FILE   the products: CSV with sku,name,description,price,currency,quantity
  --help             show this

Run it while nobody else orders or loads the same products. SHOAL_DEMO_USER_ADDRESS, SHOAL_DEMO_INVENTORY_ADDRESS and
SHOAL_DEMO_ORDER_ADDRESS say where the system answers (127.0.0.1:50051, :50052 and :50053). With SHOAL_DEMO_REGISTRY,
such as local://127.0.0.1:50050, it finds the services there, and spreads its calls over all their instances.`;

/** Reads the command line; throws an `Error` that says what is wrong with it. Where help is asked for, no value counts. */
export function readArguments(args: readonly string[]): DemoArguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      orders: { type: "string", default: "3000" },
      users: { type: "string", default: "100" },
      seed: { type: "string", default: "1" },
      catalogue: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return { ...readArguments([]), help: true };
  return {
    orders: wholeNumber("--orders", values.orders, 1, 100_000),
    users: wholeNumber("--users", values.users, 1, 10_000),
    seed: wholeNumber("--seed", values.seed, 0, 2 ** 32 - 1),
    catalogue: values.catalogue,
    help: false,
  };
}
