import { setTimeout as sleep } from "node:timers/promises";
import { withTaskScope } from "@shoal/concurrency";
import { checkInvariants } from "@shoal/invariants";
import { Asker } from "./asker.ts";
import { compare } from "./compare.ts";
import { Counts } from "./counts.ts";
import { describeCycle, runCycles } from "./cycles.ts";
import { Ledger } from "./ledger.ts";
import type { Cycle } from "./plan.ts";
import { untilSettled } from "./settled.ts";
import { products, runShop } from "./shop.ts";
import { type Stage, startStage } from "./stage.ts";
import { beginWatches, type Watches } from "./watches.ts";

/** What {@link runCrashes} needs. */
export interface CrashOptions {
  readonly plan: readonly Cycle[];
  /** For the load. */
  readonly seed: number;
  /** The URL of a server to use, and of a user there who may create databases; undefined: a private one, which may be killed. */
  readonly database: string | undefined;
  readonly signal: AbortSignal;
  /** Told what is being done, and of each cycle. */
  readonly progress: (doing: string) => void;
}

/** What came of it. */
export interface CrashResult {
  /** How often each thing was crashed, by what `describeCycle` says. */
  readonly crashes: Counts;
  readonly seconds: number;
  /** Orders that were acknowledged, and how many of them ended so; wishes that were refused. */
  readonly orders: number;
  readonly ends: Readonly<Record<"confirmed" | "cancelled" | "other", number>>;
  readonly refused: number;
  readonly users: number;
  /** How often a call was made again, by why. */
  readonly retries: Counts;
  /** How often a watch was begun again. */
  readonly resumed: number;
  /** What must not be, in words. */
  readonly violations: readonly string[];
}

const userCount = 4;

/** How long the watches may take to begin, in milliseconds. */
const beginTimeoutMs = 15_000;

/** How long after its time what is left counts as overdue when nothing is under way, in milliseconds, and else. */
const settledOverdueMs = 5_000;
const overdueMs = 60_000;

/** Crashes what the plan says, under load, and checks all that must hold then. Rejects when a crash does not come about, or `signal` aborts. */
export async function runCrashes({ plan, seed, database, signal, progress }: CrashOptions): Promise<CrashResult> {
  await using stack = new AsyncDisposableStack();
  progress("starting the services");
  const stage = await startStage(stack, database);
  signal.throwIfAborted();
  const ledger = new Ledger();
  const violations: string[] = [];
  const crashes = new Counts();

  const userIds = await openShop(stage, ledger);
  const watches = beginWatches(stage, userIds, [...products.keys()]);
  stack.defer(() => watches.close());
  await placeFirst(stage, ledger, watches, userIds, signal);

  const began = performance.now();
  const { retries, faults } = await withTaskScope(
    async (scope) => {
      const asker = new Asker(scope.signal);
      const closing = new AbortController();
      const ending = AbortSignal.any([closing.signal, scope.signal]);
      const shopping = scope.spawn(() => runShop({ stage, ledger, asker, seed, userIds, signal: ending }));
      await runCycles(plan, stage, scope.signal, {
        onEnd: (cycle, tookMs) => {
          const what = describeCycle(cycle);
          crashes.add(what);
          const took = (tookMs / 1_000).toFixed(1);
          progress(`${crashes.total} of ${plan.length}: ${what}, in ${took} s; ${ledger.orders.size} orders`);
        },
        onDatabase: async () => {
          violations.push(...(await violatedInvariants(stage, false)));
        },
      });
      closing.abort();
      await shopping;
      return asker;
    },
    { signal },
  );
  progress("waiting until nothing is under way");
  violations.push(...(await untilSettled(stage, signal)));
  progress("checking");
  violations.push(
    ...(await violatedInvariants(stage, true)),
    ...(await compare(stage, ledger, watches, signal)),
    ...faults,
    ...stage.instances.failures,
  );
  const ends = [...ledger.orders.values()].map(({ end }) => end);
  const count = (wanted: string) => ends.filter((end) => end === wanted).length;
  const [confirmed, cancelled] = [count("confirmed"), count("cancelled")];
  return {
    crashes,
    seconds: (performance.now() - began) / 1_000,
    orders: ledger.orders.size,
    ends: { confirmed, cancelled, other: ends.length - confirmed - cancelled },
    refused: ledger.refusals,
    users: ledger.users.size,
    retries,
    resumed: watches.resumed,
    violations,
  };
}

/** Creates the products, and those who order; answers their ids. */
async function openShop(
  { users: [users], inventories: [inventory] }: Stage,
  ledger: Ledger,
): Promise<readonly string[]> {
  for (const [sku, initialQuantity] of products) {
    const price = { minorUnits: 450n, currency: "EUR" };
    await inventory?.createProduct({ sku, name: sku, price, initialQuantity });
    ledger.adjusted(sku, initialQuantity);
  }
  const userIds: string[] = [];
  for (let number = 0; number < userCount; number += 1) {
    const created = await users?.createUser({ email: `shopper-${number}@example.com`, displayName: "Shopper" });
    userIds.push(created?.user?.id ?? "");
  }
  for (const id of userIds) ledger.created(id);
  return userIds;
}

/** Has each user place an order, and waits until all watches have seen something: from then on they have a token. */
async function placeFirst(
  { orders: [orders] }: Stage,
  ledger: Ledger,
  watches: Watches,
  userIds: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const [sku = ""] = products.keys();
  for (const userId of userIds) {
    const wish = { userId, idempotencyKey: "first", lines: [{ sku, quantity: 1 }] };
    ledger.asks(wish);
    ledger.placed(wish, (await orders?.createOrder(wish))?.order);
  }
  const until = performance.now() + beginTimeoutMs;
  while (watches.orders.size < userIds.length || watches.levels.size < products.size) {
    if (performance.now() > until) throw new Error(`the watches have not begun: ${watches.problems.join("; ")}`);
    await sleep(10, undefined, { signal });
  }
}

async function violatedInvariants({ databases }: Stage, settled: boolean): Promise<readonly string[]> {
  const { order, inventory } = databases;
  const options = { order, inventory, settled, overdueMs: settled ? settledOverdueMs : overdueMs };
  return (await checkInvariants(options)).flatMap(({ name, violations, examples }) =>
    violations === 0 ? [] : [`${name}: ${violations} times${settled ? "" : ", under load"}: ${examples.join("; ")}`],
  );
}
