import type { Clock } from "@shoal/kernel";
import { emailTaken, type User, type UserChange, userNotFound, userVersionStale } from "./user.ts";

/** Where users are kept. E-mails are unique by `emailKey`. */
export interface UserStore {
  /** Adds a user; false, and nothing changes, when another has the e-mail. */
  insert(user: User): Promise<boolean>;
  /** The users that exist of `ids`, in no order. */
  find(ids: readonly string[]): Promise<readonly User[]>;
  /** Up to `limit` users with ids after `after`, by id. */
  list(after: string, limit: number): Promise<readonly User[]>;
  /** Replaces the user of that id if it is at `version`. */
  replace(user: User, version: number): Promise<"replaced" | "stale" | "email taken">;
  /** Makes the user inactive and its version one more, if there is such an active user. */
  deactivate(id: string, nowMs: number): Promise<void>;
}

/** What can be done with users. */
export type Users = ReturnType<typeof createUsers>;

/** The use cases of the user service. Errors are the constructors in `user.ts`. */
export function createUsers({ store, clock, newId }: { store: UserStore; clock: Clock; newId: () => string }) {
  const get = async (id: string): Promise<User> => {
    const [user] = await store.find([id]);
    if (user === undefined) throw userNotFound(id);
    return user;
  };
  return {
    get,

    create: async (email: string, displayName: string): Promise<User> => {
      const now = clock.now();
      const user: User = {
        id: newId(),
        email,
        displayName,
        status: "active",
        version: 1,
        createdAtMs: now,
        updatedAtMs: now,
      };
      if (!(await store.insert(user))) throw emailTaken(email);
      return user;
    },

    /** The users that exist, and the ids that none has, both in the order of `ids`. */
    batchGet: async (ids: readonly string[]) => {
      const found = new Map((await store.find(ids)).map((user) => [user.id, user]));
      return {
        users: ids.flatMap((id) => found.get(id) ?? []),
        missing: ids.filter((id) => !found.has(id)),
      };
    },

    /** Applies `change` if the user is still at `version`. */
    update: async (id: string, version: number, change: UserChange): Promise<User> => {
      const user = await get(id);
      const changed: User = { ...user, ...change, version: version + 1, updatedAtMs: clock.now() };
      switch (await store.replace(changed, version)) {
        case "replaced":
          return changed;
        case "stale":
          throw userVersionStale(id, version);
        case "email taken":
          throw emailTaken(changed.email);
      }
    },

    /** Makes the user inactive; one that is already stays as it is. */
    deactivate: async (id: string): Promise<User> => {
      await store.deactivate(id, clock.now());
      return get(id);
    },

    /** Up to `limit` users after the one with id `after` (empty: from the first), oldest first. */
    list: (after: string, limit: number): Promise<readonly User[]> => store.list(after, limit),
  };
}
