import type { InvariantArguments } from "./arguments.ts";
import { type Comparison, compareSides, otherLines } from "./compare.ts";
import { DatabaseThread } from "./database-thread.ts";
import { type Finding, Findings, maxExamples } from "./finding.ts";

/** What is checked, and how. */
export type CheckOptions = Pick<InvariantArguments, "order" | "inventory" | "settled" | "overdueMs">;

/** So many orders take 200 MB. */
const defaultOrdersAtOnce = 2_000_000;

/** Checks databases, again and again if need be. Who made it disposes of it, which ends its connections and threads. */
export class InvariantChecker implements AsyncDisposable {
  readonly #order: DatabaseThread;
  readonly #inventory: DatabaseThread;

  readonly #ordersAtOnce: number;

  /** Connects with the first check. `ordersAtOnce` are compared at a time (2 million), for which all tables are read anew. */
  constructor({ order, inventory }: Pick<CheckOptions, "order" | "inventory">, ordersAtOnce = defaultOrdersAtOnce) {
    this.#ordersAtOnce = ordersAtOnce;
    this.#order = new DatabaseThread("order", order);
    this.#inventory = new DatabaseThread("inventory", inventory);
  }

  /**
   * Checks all invariants on both databases. Each is read as it is at one moment, the inventory a moment after the orders: what
   * an order has done at the inventory before it was read, the inventory has. Rejects with a `SnapshotError` where one
   * cannot be opened, and with the driver's error where it cannot be read on. One check at a time.
   */
  async check({ settled, overdueMs }: Pick<CheckOptions, "settled" | "overdueMs">): Promise<readonly Finding[]> {
    const [order, inventory] = [this.#order, this.#inventory];
    const counts = [await order.ask("open"), await inventory.ask("open")];
    const options = { settled, overdueMs, nowMs: Date.now() };
    const findings = new Findings();
    const compared: Comparison[] = [];
    const parts = Math.max(1, Math.ceil(Math.max(...counts) / this.#ordersAtOnce));
    for (let index = 0; index < parts; index += 1) {
      const read = { part: { index, count: parts }, options };
      const [orders, reservations] = await Promise.all([order.ask("read", read), inventory.ask("read", read)]);
      findings.add(orders.findings);
      findings.add(reservations.findings);
      const comparison = compareSides(orders, reservations, read.part, options);
      await tellDifferences(comparison, order, inventory, findings);
      compared.push(comparison);
    }
    for (const comparison of compared) await tellSales(comparison, order, inventory, findings);
    return findings.list;
  }

  /** Whether there is an order with this id. Rejects like {@link check}; the inventory is not looked at. */
  async hasOrder(id: string): Promise<boolean> {
    await this.#order.ask("open");
    return (await this.#order.ask("known", [id])).length > 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#order.end(), this.#inventory.end()]);
  }
}

/** Checks two databases once, like {@link InvariantChecker.check}. */
export async function checkInvariants(options: CheckOptions): Promise<readonly Finding[]> {
  await using checker = new InvariantChecker(options);
  return await checker.check(options);
}

async function tellDifferences(
  { different, differences }: Comparison,
  order: DatabaseThread,
  inventory: DatabaseThread,
  findings: Findings,
): Promise<void> {
  if (different === 0) return;
  const keys = differences.map(({ key }) => key);
  const ids = await order.ask("idsOf", keys);
  const examples: string[] = [];
  for (const { key, wrong } of differences) {
    const id = ids.get(key) ?? "";
    if (wrong === otherLines) {
      const [own, reserved] = await Promise.all([order.ask("linesOf", id), inventory.ask("linesOf", id)]);
      examples.push(`order ${id}: its lines are ${own}, and those of its reservation ${reserved}`);
    } else examples.push(`order ${id}: ${wrong}`);
  }
  findings.violated("orders-match-reservations", examples, different);
}

/** While services run, some of the orders came after they had been read: they are looked for once more. */
async function tellSales(
  { unordered, sales }: Comparison,
  order: DatabaseThread,
  inventory: DatabaseThread,
  findings: Findings,
): Promise<void> {
  if (unordered === 0) return;
  const ids = [...(await inventory.ask("idsOf", sales)).values()];
  const known = new Set(await order.ask("known", ids));
  const lost = ids.filter((id) => !known.has(id));
  const examples = lost.slice(0, maxExamples).map((id) => `${id} is sold, and there is no such order`);
  findings.violated("sales-have-orders", examples, lost.length + unordered - sales.length);
}
