import { requireInteger } from "@shoal/kernel";
import { type Kysely, type RawBuilder, sql, type Transaction } from "kysely";
import type { ColumnTypes } from "../column-types.ts";
import type { Database } from "../database.ts";

/** The table of an inbox, which stands beside those of the consumer. */
export interface InboxTables {
  inbox: { consumer: string; event_id: string; at_ms: bigint };
}

/** The statements that make the table: a migration of the service has them. */
export function inboxSchema({ key, bigint, tableOptions }: ColumnTypes): readonly RawBuilder<unknown>[] {
  return [
    sql`create table if not exists inbox (
      consumer ${key} not null,
      event_id ${key} not null,
      at_ms ${bigint} not null,
      primary key (consumer, event_id)
    ) ${tableOptions}`,
    sql`create index inbox_age on inbox (at_ms)`,
  ];
}

/**
 * Notes that `consumer` handles events in this transaction; answers the ids of those that it has not handled before, in the
 * order given: only their effects belong in the transaction. Events come at least once; so each has its effect once. Where
 * somebody else handles one of them at this moment, the transaction waits for that, or fails with the driver's unique
 * violation and is to be run again.
 */
export async function acceptEvents<S extends InboxTables>(
  tx: Transaction<S>,
  consumer: string,
  eventIds: readonly string[],
  nowMs: number,
): Promise<readonly string[]> {
  const ids = [...new Set(eventIds)];
  if (ids.length === 0) return [];
  const inbox = inboxOf(tx);
  const known = await inbox
    .selectFrom("inbox")
    .select("event_id")
    .where("consumer", "=", consumer)
    .where("event_id", "in", ids)
    .execute();
  const seen = new Set(known.map(({ event_id }) => event_id));
  const fresh = ids.filter((id) => !seen.has(id));
  const at_ms = BigInt(nowMs);
  if (fresh.length > 0)
    await inbox
      .insertInto("inbox")
      .values(fresh.map((event_id) => ({ consumer, event_id, at_ms })))
      .execute();
  return fresh;
}

/** Forgets up to `limit` events, 1 to 10,000, that were handled before `beforeMs`; answers how many. */
export async function pruneInbox<S extends InboxTables>(
  database: Database<S>,
  { beforeMs, limit }: { readonly beforeMs: number; readonly limit: number },
): Promise<number> {
  requireInteger("limit", limit, 1, 10_000);
  const inbox = inboxOf(database.db);
  const old = await inbox
    .selectFrom("inbox")
    .select(["consumer", "event_id"])
    .where("at_ms", "<", BigInt(beforeMs))
    .orderBy("at_ms")
    .limit(limit)
    .execute();
  let deleted = 0;
  for (const [consumer, events] of Map.groupBy(old, (event) => event.consumer)) {
    const ids = events.map(({ event_id }) => event_id);
    const { numDeletedRows } = await inbox
      .deleteFrom("inbox")
      .where("consumer", "=", consumer)
      .where("event_id", "in", ids)
      .where("at_ms", "<", BigInt(beforeMs))
      .executeTakeFirstOrThrow();
    deleted += Number(numDeletedRows);
  }
  return deleted;
}

function inboxOf<S extends InboxTables>(db: Kysely<S>): Kysely<InboxTables> {
  return db as unknown as Kysely<InboxTables>;
}
