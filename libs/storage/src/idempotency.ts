import { crashPoint, requireInteger } from "@shoal/kernel";
import { type Kysely, type RawBuilder, sql, type Transaction } from "kysely";
import type { ColumnTypes } from "./column-types.ts";
import type { Database } from "./database.ts";
import { insertRows } from "./insert-rows.ts";

/** What a request was answered with, the first time. */
export interface IdempotencyRecord {
  /** Made of the caller and its key (`derivedId`), so that no caller reaches another's. */
  readonly id: string;
  /** Made of what was asked for: the same key with another request is to be refused. */
  readonly fingerprint: string;
  /**
   * The final error that was answered; `undefined` where the request has had its effect, whose
   * rows are the answer.
   */
  readonly error: string | undefined;
  /** When, in milliseconds since the epoch. */
  readonly atMs: number;
}

/** The table of first answers, which stands beside those of the service. */
export interface IdempotencyTables {
  idempotency_records: { id: string; fingerprint: string; error: string | null; at_ms: bigint };
}

/** The statements that make the table: a migration of the service has them. */
export function idempotencySchema({
  key,
  longText,
  bigint,
  tableOptions,
}: ColumnTypes): readonly RawBuilder<unknown>[] {
  return [
    sql`create table if not exists idempotency_records (
      id ${key} not null primary key,
      fingerprint ${key} not null,
      error ${longText},
      at_ms ${bigint} not null
    ) ${tableOptions}`,
    sql`create index idempotency_records_age on idempotency_records (at_ms)`,
  ];
}

/** The records that exist of `ids`, in no order. */
export async function findRecords<S extends IdempotencyTables>(
  db: Kysely<S>,
  ids: readonly string[],
): Promise<readonly IdempotencyRecord[]> {
  if (ids.length === 0) return [];
  const rows = await recordsOf(db).selectFrom("idempotency_records").selectAll().where("id", "in", ids).execute();
  return rows.map(({ id, fingerprint, error, at_ms }) => ({
    id,
    fingerprint,
    error: error ?? undefined,
    atMs: Number(at_ms),
  }));
}

/**
 * Keeps first answers, in the transaction that has their effects. Throws the driver's unique violation where one of them has
 * been answered already: then nothing must be committed, and the first answer is to be given.
 */
export async function insertRecords<S extends IdempotencyTables>(
  tx: Transaction<S>,
  records: readonly IdempotencyRecord[],
): Promise<void> {
  const rows = records.map(({ error, atMs, ...record }) => ({ ...record, error: error ?? null, at_ms: BigInt(atMs) }));
  await insertRows(recordsOf(tx), "idempotency_records", rows);
}

/** Forgets up to `limit` answers, 1 to 10,000, that were given before `beforeMs`; answers how many. */
export async function pruneRecords<S extends IdempotencyTables>(
  database: Database<S>,
  { beforeMs, limit }: { readonly beforeMs: number; readonly limit: number },
): Promise<number> {
  requireInteger("limit", limit, 1, 10_000);
  const records = recordsOf(database.db);
  const old = await records
    .selectFrom("idempotency_records")
    .select("id")
    .where("at_ms", "<", BigInt(beforeMs))
    .orderBy("at_ms")
    .limit(limit)
    .execute();
  if (old.length === 0) return 0;
  crashPoint("mid-prune");
  const ids = old.map(({ id }) => id);
  const { numDeletedRows } = await records
    .deleteFrom("idempotency_records")
    .where("id", "in", ids)
    // Another may have been given under the same id since it was found.
    .where("at_ms", "<", BigInt(beforeMs))
    .executeTakeFirstOrThrow();
  return Number(numDeletedRows);
}

function recordsOf<S extends IdempotencyTables>(db: Kysely<S>): Kysely<IdempotencyTables> {
  return db as unknown as Kysely<IdempotencyTables>;
}
