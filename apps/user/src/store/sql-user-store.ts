import { appendEvents, type Database, isUniqueViolation, type OutboxEvent, type OutboxTables } from "@shoal/storage";
import type { Selectable, Transaction } from "kysely";
import { emailKey, type User } from "../domain/user.ts";
import type { UserStore } from "../domain/users.ts";

/** The tables of the user service. */
export interface UserTables extends OutboxTables {
  users: {
    id: string;
    email: string;
    email_key: string;
    display_name: string;
    status: string;
    version: number;
    created_at_ms: bigint;
    updated_at_ms: bigint;
  };
}

/** Users in SQL; `onCommit` is told of each transaction that has published something. The caller closes the database. */
export function createSqlUserStore(database: Database<UserTables>, onCommit: () => void = () => {}): UserStore {
  const { db } = database;
  const transaction = async <T>(work: (tx: Transaction<UserTables>) => Promise<T>): Promise<T> => {
    const result = await database.transaction(work);
    onCommit();
    return result;
  };
  return {
    insert: async (user) => {
      try {
        await transaction(async (tx) => {
          await tx.insertInto("users").values(toRow(user)).execute();
          await appendEvents(tx, [userEvent(user, user.createdAtMs)]);
        });
        return true;
      } catch (error) {
        if (isUniqueViolation(error)) return false;
        throw error;
      }
    },

    find: async (ids) => {
      if (ids.length === 0) return [];
      return (await db.selectFrom("users").selectAll().where("id", "in", ids).execute()).map(fromRow);
    },

    list: async (after, limit) => {
      const page = db.selectFrom("users").selectAll().where("id", ">", after).orderBy("id").limit(limit);
      return (await page.execute()).map(fromRow);
    },

    replace: async (user, version) => {
      const { id, ...columns } = toRow(user);
      try {
        return await transaction(async (tx) => {
          const update = tx.updateTable("users").set(columns).where("id", "=", id).where("version", "=", version);
          if ((await update.executeTakeFirstOrThrow()).numUpdatedRows !== 1n) return "stale";
          await appendEvents(tx, [userEvent(user, user.updatedAtMs)]);
          return "replaced";
        });
      } catch (error) {
        if (isUniqueViolation(error)) return "email taken";
        throw error;
      }
    },

    deactivate: async (id, nowMs) => {
      await transaction(async (tx) => {
        const { numUpdatedRows } = await tx
          .updateTable("users")
          .set(({ eb }) => ({ status: "inactive", version: eb("version", "+", 1), updated_at_ms: BigInt(nowMs) }))
          .where("id", "=", id)
          .where("status", "=", "active")
          .executeTakeFirstOrThrow();
        if (numUpdatedRows !== 1n) return;
        const { version } = await tx
          .selectFrom("users")
          .select("version")
          .where("id", "=", id)
          .executeTakeFirstOrThrow();
        await appendEvents(tx, [userEvent({ id, version, status: "inactive" }, nowMs)]);
      });
    },
  };
}

/** A user after a change: its version is the event's. */
function userEvent({ id, version, status }: Pick<User, "id" | "version" | "status">, atMs: number): OutboxEvent {
  return { topic: "user", key: id, version, payload: JSON.stringify([status]), atMs };
}

function toRow(user: User): UserTables["users"] {
  return {
    id: user.id,
    email: user.email,
    email_key: emailKey(user.email),
    display_name: user.displayName,
    status: user.status,
    version: user.version,
    created_at_ms: BigInt(user.createdAtMs),
    updated_at_ms: BigInt(user.updatedAtMs),
  };
}

function fromRow(row: Selectable<UserTables["users"]>): User {
  return {
    id: row.id,
    email: row.email,
    displayName: row.display_name,
    status: row.status === "active" ? "active" : "inactive",
    version: row.version,
    createdAtMs: Number(row.created_at_ms),
    updatedAtMs: Number(row.updated_at_ms),
  };
}
