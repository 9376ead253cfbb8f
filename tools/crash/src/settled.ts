import { setTimeout as sleep } from "node:timers/promises";
import { openDatabase } from "@shoal/storage";
import { sql } from "kysely";
import type { Stage } from "./stage.ts";

/** How long the services may take to finish what is left, in milliseconds: an order that could not be settled rests for 30 s. */
const settleTimeoutMs = 90_000;
const lookMs = 100;

/**
 * Waits until nothing is under way: no order is placed, no stock held, and all events are published. Answers what is left
 * after a minute and a half, in words; nothing when all is well. Rejects when `signal` aborts.
 */
export async function untilSettled(
  { databases }: Pick<Stage, "databases">,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const order = openDatabase<unknown>(databases.order);
  const inventory = openDatabase<unknown>(databases.inventory);
  const count = async ({ db }: typeof order, from: string) => {
    const { rows } = await sql<{ n: bigint }>`select count(*) as n ${sql.raw(from)}`.execute(db);
    return Number(rows[0]?.n ?? 0);
  };
  const until = performance.now() + settleTimeoutMs;
  try {
    while (true) {
      const left = [
        ["orders are placed", await count(order, "from orders where status = 'placed'")],
        ["reservations are held", await count(inventory, "from reservations where status = 'held'")],
        ["events of orders are not published", await count(order, "from outbox where seq is null")],
        ["events of stock are not published", await count(inventory, "from outbox where seq is null")],
      ] as const;
      if (left.every(([, number]) => number === 0)) return [];
      if (performance.now() > until)
        return left
          .filter(([, number]) => number > 0)
          .map(([what, number]) => `${number} ${what}, and nothing is under way`);
      await sleep(lookMs, undefined, { signal });
    }
  } finally {
    await Promise.all([order.close(), inventory.close()]);
  }
}
