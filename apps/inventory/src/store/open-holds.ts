import { type Kysely, sql } from "kysely";
import type { InventoryTables } from "./tables.ts";

/** How many holds have not ended, and how many of them are past their time. */
export interface OpenHolds {
  readonly open: number;
  readonly overdue: number;
}

/** Counts them at `nowMs`. Reads an index only, and that part of it where the open ones are. */
export async function countOpenHolds(db: Kysely<InventoryTables>, nowMs: number): Promise<OpenHolds> {
  const { open, overdue } = await db
    .selectFrom("reservations")
    .where("status", "=", "held")
    .select([
      sql<unknown>`count(*)`.as("open"),
      sql<unknown>`count(case when expires_at_ms <= ${BigInt(nowMs)} then 1 end)`.as("overdue"),
    ])
    .executeTakeFirstOrThrow();
  return { open: Number(open), overdue: Number(overdue) };
}
