import { sql } from "kysely";
import { type Finding, Findings } from "./finding.ts";
import type { Snapshot } from "./snapshot.ts";

/** Whether each idempotency key has one answer, and an order where that is the answer. */
export async function oneAnswerPerKey(order: Snapshot, nowMs: number): Promise<Finding> {
  const found = new Findings(
    "one-key-one-order",
    "each idempotency key has an order or an error, never both or neither",
  );
  await found.lookedAtAll(order, "orders", "idempotency_records");
  const { concat, rows } = order;
  const [oldest] = await rows(sql<{ at_ms: bigint | null }>`select min(at_ms) as at_ms from idempotency_records`);
  // Answers are forgotten after two days, the oldest first. Where there are none at all: one of today should be there.
  const keptSince = oldest?.at_ms ?? BigInt(nowMs - 23 * 60 * 60_000);
  await found.violatedBy(
    order,
    concat(sql`'order '`, sql`o.id`, sql`case when i.id is null then ' has no answer' else ' was refused too' end`),
    sql`from orders o left join idempotency_records i on i.id = o.id
      where (i.id is null and o.created_at_ms > ${keptSince}) or i.error is not null`,
  );
  await found.violatedBy(
    order,
    concat(sql`'the answer '`, sql`i.id`, sql`' is an order, and there is none'`),
    sql`from idempotency_records i left join orders o on o.id = i.id where i.error is null and o.id is null`,
  );
  return found.finding;
}
