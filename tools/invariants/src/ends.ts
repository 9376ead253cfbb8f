import { sql } from "kysely";
import { eventsKeptSince } from "./events.ts";
import { type Finding, Findings } from "./finding.ts";
import type { Snapshot } from "./snapshot.ts";

/** Whether holds and orders end, and once. */
export async function endedOnce(
  order: Snapshot,
  inventory: Snapshot,
  { nowMs, overdueMs }: { readonly nowMs: number; readonly overdueMs: number },
): Promise<Finding> {
  const found = new Findings("ended-once", "each hold and each order ends once, and no hold long after its time");
  await found.lookedAtAll(inventory, "reservations");
  await found.lookedAtAll(order, "orders");
  await found.violatedBy(
    inventory,
    inventory.concat(sql`'reservation '`, sql`id`, sql`' is '`, sql`status`),
    sql`from reservations where status not in ('held', 'confirmed', 'released', 'expired', 'fenced')`,
  );
  await found.violatedBy(
    inventory,
    inventory.concat(sql`'reservation '`, sql`id`, sql`' is held, and its time was over at '`, sql`expires_at_ms`),
    sql`from reservations where status = 'held' and expires_at_ms < ${BigInt(nowMs - overdueMs)}`,
  );
  await found.violatedBy(
    order,
    order.concat(sql`'order '`, sql`id`, sql`' is '`, sql`status`),
    sql`from orders where status not in ('placed', 'confirmed', 'cancelled', 'expired')`,
  );
  const keptSince = await eventsKeptSince(order, nowMs);
  await found.violatedBy(
    order,
    order.concat(
      sql`'order '`,
      sql`o.id`,
      sql`' is '`,
      sql`o.status`,
      sql`', and has '`,
      sql`e.ends`,
      sql`' end events'`,
    ),
    sql`from orders o join (
        select event_key, count(*) as ends from outbox where topic = 'order' and version > 1 group by event_key
      ) e on e.event_key = o.id where e.ends <> 1`,
  );
  await found.violatedBy(
    order,
    order.concat(sql`'order '`, sql`o.id`, sql`' is '`, sql`o.status`, sql`', and has no end event'`),
    sql`from orders o where o.status <> 'placed' and o.updated_at_ms > ${keptSince}
      and not exists (select 1 from outbox e where e.topic = 'order' and e.event_key = o.id and e.version > 1)`,
  );
  return found.finding;
}

/** Whether nothing is left that is held, or to be settled. */
export async function nothingLeft(order: Snapshot, inventory: Snapshot, nowMs: number): Promise<Finding> {
  const found = new Findings("nothing-left", "settled: no stock is held, and no order is placed whose time has passed");
  await found.lookedAtAll(inventory, "products", "reservations");
  await found.lookedAtAll(order, "orders");
  await found.violatedBy(
    inventory,
    inventory.concat(sql`'of '`, sql`sku`, sql`' '`, sql`held`, sql`' are held'`),
    sql`from products where held <> 0`,
  );
  await found.violatedBy(
    inventory,
    inventory.concat(sql`'reservation '`, sql`id`, sql`' is held'`),
    sql`from reservations where status = 'held'`,
  );
  await found.violatedBy(
    order,
    order.concat(sql`'order '`, sql`id`, sql`' is placed, and its time is over'`),
    sql`from orders where status = 'placed' and (settle_at_ms <= ${BigInt(nowMs)} or expires_at_ms <= ${BigInt(nowMs)})`,
  );
  return found.finding;
}
