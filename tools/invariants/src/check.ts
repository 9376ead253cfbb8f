import { sql } from "kysely";
import { oneAnswerPerKey } from "./answers.ts";
import type { InvariantArguments } from "./arguments.ts";
import { endedOnce, nothingLeft } from "./ends.ts";
import { eventsInPlace, ordersToldTheirChanges, stockToldItsChanges } from "./events.ts";
import type { Finding } from "./finding.ts";
import { ordersMatchReservations } from "./orders-in-stock.ts";
import { openForReading, withSnapshot } from "./snapshot.ts";
import { stockAddsUp, stockNotNegative } from "./stock.ts";

/** What is checked, and how. */
export type CheckOptions = Pick<InvariantArguments, "order" | "inventory" | "settled" | "overdueMs">;

/**
 * Checks all invariants on both databases. Each is read as it is at one moment, the inventory a moment after the orders: what
 * an order has done at the inventory before it was read, the inventory has.
 */
export async function checkInvariants({ order, inventory, settled, overdueMs }: CheckOptions): Promise<Finding[]> {
  const live = openForReading(order);
  const ordersNow = async (ids: readonly string[]) => {
    const { rows } = await sql<{ id: string }>`select id from orders where id in (${sql.join(ids)})`.execute(live.db);
    return new Set(rows.map(({ id }) => id));
  };
  try {
    return await withSnapshot(order, async (orders) => {
      // SQLite's snapshot is taken by the first statement.
      await orders.rows(sql`select id from orders limit 1`);
      return await withSnapshot(inventory, async (stock) => {
        const nowMs = Date.now();
        return [
          await stockAddsUp(stock),
          await stockNotNegative(stock),
          ...(await ordersMatchReservations(orders, stock, { settled, overdueMs, nowMs, ordersNow })),
          await oneAnswerPerKey(orders, nowMs),
          await endedOnce(orders, stock, { nowMs, overdueMs }),
          ...(settled ? [await nothingLeft(orders, stock, nowMs)] : []),
          await ordersToldTheirChanges(orders, nowMs),
          await stockToldItsChanges(stock),
          await eventsInPlace(orders, "order", settled),
          await eventsInPlace(stock, "inventory", settled),
        ];
      });
    });
  } finally {
    await live.close();
  }
}
