import { type Database, isUniqueViolation } from "@shoal/storage";
import type { Selectable } from "kysely";
import { emailKey, type User } from "../domain/user.ts";
import type { UserStore } from "../domain/users.ts";

/** The tables of the user service. */
export interface UserTables {
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

/** Users in SQL. The caller closes the database. */
export function createSqlUserStore({ db }: Database<UserTables>): UserStore {
  return {
    insert: async (user) => {
      try {
        await db.insertInto("users").values(toRow(user)).execute();
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
      const update = db.updateTable("users").set(columns).where("id", "=", id).where("version", "=", version);
      try {
        return (await update.executeTakeFirstOrThrow()).numUpdatedRows === 1n ? "replaced" : "stale";
      } catch (error) {
        if (isUniqueViolation(error)) return "email taken";
        throw error;
      }
    },

    deactivate: async (id, nowMs) => {
      await db
        .updateTable("users")
        .set(({ eb }) => ({ status: "inactive", version: eb("version", "+", 1), updated_at_ms: BigInt(nowMs) }))
        .where("id", "=", id)
        .where("status", "=", "active")
        .execute();
    },
  };
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
