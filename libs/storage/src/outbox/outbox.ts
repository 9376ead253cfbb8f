import { trace } from "@opentelemetry/api";
import { formatTraceparent } from "@shoal/telemetry";
import { type Kysely, type RawBuilder, sql, type Transaction } from "kysely";
import type { ColumnTypes } from "../column-types.ts";
import { insertRows } from "../insert-rows.ts";

/** A change of one thing, told after it is committed. */
export interface OutboxEvent {
  /** What kind of thing has changed, such as `order`. */
  readonly topic: string;
  /** Which one: events of one key are published in the order of their versions. */
  readonly key: string;
  /** Which change of it, from 1, and each one more than the one before. */
  readonly version: number;
  /** What became of it: at most 4,000 characters. */
  readonly payload: string;
  /** When, in milliseconds since the epoch, by whatever clock. */
  readonly atMs: number;
}

/** An event in its place among all of its database. */
export interface PublishedEvent extends OutboxEvent {
  /** From 1, without gaps, in the order in which events are published. */
  readonly seq: bigint;
  /** Where in a trace the change was made, as W3C Trace Context writes it; `undefined` for one that is not sampled. */
  readonly traceparent: string | undefined;
}

/** The tables of an outbox, which stand beside those of the service. */
export interface OutboxTables {
  outbox: {
    topic: string;
    event_key: string;
    version: number;
    payload: string;
    at_ms: bigint;
    /** Its place; null until it is published. */
    seq: bigint | null;
    traceparent: string | null;
  };
  /** One row: the place of the next event. */
  outbox_position: { id: number; next_seq: bigint };
}

/** The statements that make the tables: a migration of the service has them, and one after it those of {@link outboxTraceSchema}. */
export function outboxSchema({ key, text, int, bigint, tableOptions }: ColumnTypes): readonly RawBuilder<unknown>[] {
  return [
    sql`create table if not exists outbox (
      topic ${key} not null,
      event_key ${key} not null,
      version ${int} not null,
      payload ${text(4_000)} not null,
      at_ms ${bigint} not null,
      seq ${bigint},
      primary key (topic, event_key, version)
    ) ${tableOptions}`,
    sql`create index outbox_sequence on outbox (seq, at_ms)`,
    sql`create table if not exists outbox_position (
      id ${int} not null primary key,
      next_seq ${bigint} not null
    ) ${tableOptions}`,
    // Again after a migration that was cut off.
    sql`insert into outbox_position (id, next_seq) select 1, 1 from (select 1 as one) as one_row
        where not exists (select 1 from outbox_position)`,
  ];
}

/** The statements that add what came later: a further migration of the service has them. */
export function outboxTraceSchema({ text }: ColumnTypes): readonly RawBuilder<unknown>[] {
  return [sql`alter table outbox add column traceparent ${text(55)}`];
}

/** What identifies an event among all of its database: consumers remember it. */
export function eventIdOf({ topic, key, version }: Pick<OutboxEvent, "topic" | "key" | "version">): string {
  return `${topic}/${key}/${version}`;
}

/**
 * Writes down what a transaction changes, in the same transaction: published if it commits, and not otherwise. Throws the
 * driver's unique violation where an event of the same topic, key and version exists.
 */
export async function appendEvents<S extends OutboxTables>(
  tx: Transaction<S>,
  events: readonly OutboxEvent[],
): Promise<void> {
  const span = trace.getActiveSpan();
  const traceparent = (span?.isRecording() && formatTraceparent(span.spanContext())) || null;
  const rows = events.map(({ topic, key, version, payload, atMs }) => ({
    topic,
    event_key: key,
    version,
    payload,
    at_ms: BigInt(atMs),
    seq: null,
    traceparent,
  }));
  await insertRows(outboxOf(tx), "outbox", rows);
}

/** The outbox among the tables of a service. */
export function outboxOf<S extends OutboxTables>(db: Kysely<S>): Kysely<OutboxTables> {
  return db as unknown as Kysely<OutboxTables>;
}
