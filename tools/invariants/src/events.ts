import { sql } from "kysely";
import { type Finding, Findings } from "./finding.ts";
import type { Snapshot } from "./snapshot.ts";

/**
 * The time after which each change must have its event: older ones are deleted a day after they are published, from the first
 * place on. Places follow times, but for the moments that transactions take and by which clocks differ.
 */
export async function eventsKeptSince(snapshot: Snapshot, nowMs: number): Promise<bigint> {
  const [oldest] = await snapshot.rows(
    sql<{ seq: bigint; at_ms: bigint }>`select seq, at_ms from outbox where seq is not null order by seq limit 1`,
  );
  if (oldest !== undefined) return oldest.seq === 1n ? oldest.at_ms - 1n : oldest.at_ms + 60_000n;
  // Nothing is published: then those of today cannot have been deleted.
  return BigInt(nowMs - 23 * 60 * 60_000);
}

/** Whether each order has told all that became of it, and nothing else. */
export async function ordersToldTheirChanges(order: Snapshot, nowMs: number): Promise<Finding> {
  const found = new Findings("orders-tell-changes", "each order has event 1, and 2 when it has ended, with its status");
  await found.lookedAtAll(order, "orders", "outbox");
  const { concat } = order;
  const keptSince = await eventsKeptSince(order, nowMs);
  const status = concat(sql`',"'`, sql`o.status`, sql`'"]'`);
  const wrong = sql`
    select o.id, o.status, case
      when placed.version is null and o.created_at_ms > ${keptSince} then 'event 1 is missing'
      when placed.version is not null and substr(placed.payload, -10) <> ',"placed"]' then 'event 1 does not say placed'
      when o.status = 'placed' and ended.version is not null then 'there is an event 2'
      when o.status <> 'placed' and ended.version is null and o.updated_at_ms > ${keptSince} then 'event 2 is missing'
      when o.status <> 'placed' and ended.version is not null and substr(ended.payload, -length(${status})) <> ${status}
        then 'event 2 has another status'
      end as wrong
    from orders o
    left join outbox placed on placed.topic = 'order' and placed.event_key = o.id and placed.version = 1
    left join outbox ended on ended.topic = 'order' and ended.event_key = o.id and ended.version = 2`;
  await found.violatedBy(
    order,
    concat(sql`'order '`, sql`id`, sql`' is '`, sql`status`, sql`': '`, sql`wrong`),
    sql`from (${wrong}) orders_told where wrong is not null`,
  );
  await found.violatedBy(
    order,
    concat(
      sql`'event '`,
      sql`e.version`,
      sql`' of order '`,
      sql`e.event_key`,
      sql`case when o.id is null then ': there is no such order' else ' is none that an order has' end`,
    ),
    sql`from outbox e left join orders o on o.id = e.event_key
      where e.topic = 'order' and (o.id is null or e.version not in (1, 2))`,
  );
  return found.finding;
}

/** Whether each SKU has told all changes of its levels since the first that is kept, and no others. */
export async function stockToldItsChanges(inventory: Snapshot): Promise<Finding> {
  const found = new Findings("stock-tells-changes", "the events of each SKU are all up to its version, without gaps");
  await found.lookedAtAll(inventory, "products", "outbox");
  const { concat } = inventory;
  await found.violatedBy(
    inventory,
    concat(
      sql`e.event_key`,
      sql`': '`,
      sql`e.events`,
      sql`' events from '`,
      sql`e.first_version`,
      sql`' to '`,
      sql`e.last_version`,
      sql`case when p.sku is null then '; there is no such product' else '; other than its version' end`,
    ),
    sql`from (
        select event_key, count(*) as events, min(version) as first_version, max(version) as last_version
        from outbox where topic = 'stock' group by event_key
      ) e left join products p on p.sku = e.event_key
      where p.sku is null or e.last_version <> p.stock_version or e.events <> e.last_version - e.first_version + 1`,
  );
  return found.finding;
}

/** Whether the places of events are one sequence, in which those of one key rise with their versions. */
export async function eventsInPlace(snapshot: Snapshot, service: string, settled: boolean): Promise<Finding> {
  const says = `${service}: places are unique, without gaps, and rise with the version${settled ? "; each event has one" : ""}`;
  const found = new Findings(`${service}-events-in-place`, says);
  await found.lookedAtAll(snapshot, "outbox");
  const { concat } = snapshot;
  const name = concat(sql`e.topic`, sql`'/'`, sql`e.event_key`, sql`'/'`, sql`e.version`);
  await found.violatedBy(
    snapshot,
    concat(sql`'place '`, sql`seq`, sql`' comes after place '`, sql`place_before`),
    sql`from (select seq, lag(seq) over (order by seq) as place_before from outbox where seq is not null) places
      where seq <> place_before + 1`,
  );
  await found.violatedBy(
    snapshot,
    concat(sql`'place '`, sql`e.seq`, sql`' is not before '`, sql`p.next_seq`, sql`', the next one to be given'`),
    sql`from outbox e cross join outbox_position p where p.id = 1 and (e.seq >= p.next_seq or e.seq < 1)`,
  );
  await found.violatedBy(
    snapshot,
    concat(name, sql`' has place '`, sql`e.seq`, sql`', and the one before '`, sql`coalesce(p.seq, 0)`),
    sql`from outbox e
      join outbox p on p.topic = e.topic and p.event_key = e.event_key and p.version = e.version - 1
      where e.version > 1 and e.seq is not null and (p.seq is null or p.seq >= e.seq)`,
  );
  if (settled)
    await found.violatedBy(snapshot, concat(name, sql`' has no place'`), sql`from outbox e where e.seq is null`);
  return found.finding;
}
