import assert from "node:assert/strict";
import { test } from "node:test";
import type { HandlerContext } from "@shoal/rpc";
import type { User } from "./domain/user.ts";
import type { Users } from "./domain/users.ts";
import { userHandlers } from "./handlers.ts";

const id = "0190a000-0000-7000-8000-00000000000a";
const other = "0190a000-0000-7000-8000-00000000000b";
const user: User = {
  id,
  email: "ada@example.org",
  displayName: "Ada",
  status: "active",
  version: 1,
  createdAtMs: 0,
  updatedAtMs: 0,
};

test("an id in upper case names what it names in lower case", async () => {
  const asked: string[] = [];
  const answer = async (id: string) => {
    asked.push(id);
    return user;
  };
  const users = { get: answer, update: answer, deactivate: answer } as unknown as Users;
  const { handlers } = userHandlers(users);
  for (const method of ["getUser", "updateUser", "deactivateUser"])
    await handlers[method]?.({ userId: id.toUpperCase() }, {} as HandlerContext);
  assert.deepEqual(asked, [id, id, id]);
});

test("a batch answers each user once, and the ids that nobody has as they were sent", async () => {
  const batchGet = async (ids: readonly string[]) => ({
    users: ids.filter((asked) => asked === id).map(() => user),
    missing: ids.filter((asked) => asked !== id),
  });
  const { handlers } = userHandlers({ batchGet } as unknown as Users);
  const userIds = [other.toUpperCase(), id.toUpperCase(), id];
  const answer = await handlers["batchGetUsers"]?.({ userIds }, {} as HandlerContext);
  const { users, missingUserIds } = answer as { users: { id: string }[]; missingUserIds: string[] };
  assert.deepEqual([users.map(({ id }) => id), missingUserIds], [[id], [other.toUpperCase()]]);
});
