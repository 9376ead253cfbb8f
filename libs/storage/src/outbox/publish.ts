import { crashPoint, requireInteger } from "@shoal/kernel";
import type { Database } from "../database.ts";
import { insertRows } from "../insert-rows.ts";
import { type OutboxTables, outboxOf } from "./outbox.ts";

/** How events are published. */
export interface PublishOptions {
  /** How many at once, 1 to 10,000. */
  readonly limit: number;
}

/** 1,000 at once. */
export const defaultPublishOptions: PublishOptions = Object.freeze({ limit: 1_000 });

/**
 * Publishes events that were committed: gives each the next place, those of one key in the order of their versions; answers
 * how many. However many instances do it at the same time, they take turns, so that there is one sequence without gaps, and
 * whoever reads it by place misses nothing: an event has no place before it is committed (it is found by its missing place,
 * not by its age), and places become visible in their order. A crash at any point leaves an event published or not, never
 * half. Throws a `RangeError` for a limit out of range.
 */
export async function publishEvents<S extends OutboxTables>(
  database: Database<S>,
  options: Partial<PublishOptions> = {},
): Promise<number> {
  const { limit } = { ...defaultPublishOptions, ...options };
  requireInteger("limit", limit, 1, 10_000);
  const isMysql = database.engine === "mysql";
  return await database.transaction(async (transaction) => {
    const tx = outboxOf(transaction);
    const { next_seq } = await tx
      .selectFrom("outbox_position")
      .select("next_seq")
      .where("id", "=", 1)
      .$if(isMysql, (query) => query.forUpdate())
      .executeTakeFirstOrThrow();
    // Without locks either, so that an event that is being written keeps nobody waiting.
    const unpublished = tx
      .selectFrom("outbox")
      .select(["topic", "event_key", "version"])
      .where("seq", "is", null)
      .orderBy("at_ms");
    let events = await unpublished.limit(limit).execute();
    if (events.length === limit) {
      // Where clocks differ, an earlier version of one of them may be later, and further than this.
      const keys = new Set(events.map(({ event_key }) => event_key));
      events = await unpublished.where("event_key", "in", [...keys]).execute();
    }
    if (events.length === 0) return 0;
    // The first ones only: a statement has its bounds, and those of a key that are left are its last.
    events = versionsInOrder(events).slice(0, limit);
    // The rows exist: this sets their places, in one statement.
    const rows = events.map((event, index) => ({ ...event, payload: "", at_ms: 0n, seq: next_seq + BigInt(index) }));
    await insertRows(
      tx,
      "outbox",
      rows,
      isMysql
        ? "on duplicate key update seq = values(seq)"
        : "on conflict (topic, event_key, version) do update set seq = excluded.seq",
    );
    await tx
      .updateTable("outbox_position")
      .set({ next_seq: next_seq + BigInt(events.length) })
      .where("id", "=", 1)
      .execute();
    crashPoint("before-publish");
    return events.length;
  });
}

/** Whether there is something to publish. Cheaper than to try, where mostly there is nothing: it locks nothing. */
export async function hasUnpublishedEvents<S extends OutboxTables>(database: Database<S>): Promise<boolean> {
  const unpublished = outboxOf(database.db).selectFrom("outbox").select("seq").where("seq", "is", null).limit(1);
  return (await unpublished.executeTakeFirst()) !== undefined;
}

/** Each in its place, but those of one key in the order of their versions in the places that they have together. */
function versionsInOrder<E extends { topic: string; event_key: string; version: number }>(events: readonly E[]): E[] {
  const keyOf = ({ topic, event_key }: E) => `${topic}/${event_key}`;
  const byKey = Map.groupBy(events, keyOf);
  for (const versions of byKey.values()) versions.sort((one, other) => other.version - one.version);
  return events.map((event) => byKey.get(keyOf(event))?.pop() ?? event);
}

/** How long published events are kept. */
export interface PruneEventsOptions {
  /** Events of this time and later are kept, in milliseconds since the epoch. */
  readonly beforeMs: number;
  /** How many are deleted at most, 1 to 10,000. */
  readonly limit: number;
}

/**
 * Deletes published events that are older, from the first place on, and no further than the first that is not; answers how
 * many. Whoever has not read them is told so by the feed.
 */
export async function pruneEvents<S extends OutboxTables>(
  database: Database<S>,
  { beforeMs, limit }: PruneEventsOptions,
): Promise<number> {
  requireInteger("limit", limit, 1, 10_000);
  const db = outboxOf(database.db);
  const oldest = await db
    .selectFrom("outbox")
    .select(["seq", "at_ms"])
    .where("seq", "is not", null)
    .orderBy("seq")
    .limit(limit)
    .execute();
  const young = oldest.findIndex(({ at_ms }) => at_ms >= BigInt(beforeMs));
  const last = (young < 0 ? oldest : oldest.slice(0, young)).at(-1);
  if (last === undefined) return 0;
  const { numDeletedRows } = await db.deleteFrom("outbox").where("seq", "<=", last.seq).executeTakeFirstOrThrow();
  return Number(numDeletedRows);
}
