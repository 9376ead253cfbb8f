import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type UserSchema, UserService, UserStatus } from "@shoal/contracts/user/v1/user_service";
import { cutPage, decodePageToken, implement } from "@shoal/rpc";
import { domain, type User } from "./domain/user.ts";
import type { Users } from "./domain/users.ts";

const defaultPageSize = 50;
const listScope = ["users"];

/** UserService on the domain's use cases. */
export function userHandlers(users: Users) {
  return implement(UserService, {
    createUser: async ({ email, displayName }) => ({ user: toMessage(await users.create(email, displayName)) }),

    getUser: async ({ userId }) => ({ user: toMessage(await users.get(canonicalUuid(userId))) }),

    batchGetUsers: async ({ userIds }) => {
      const sent = new Map(userIds.map((id) => [canonicalUuid(id), id]));
      const { users: found, missing } = await users.batchGet([...sent.keys()]);
      return { users: found.map(toMessage), missingUserIds: missing.map((id) => sent.get(id) ?? id) };
    },

    updateUser: async ({ userId, version, updateMask, email, displayName }) => {
      const named = new Set(updateMask?.paths);
      const change = { ...(named.has("email") && { email }), ...(named.has("display_name") && { displayName }) };
      return { user: toMessage(await users.update(canonicalUuid(userId), version, change)) };
    },

    deactivateUser: async ({ userId }) => ({ user: toMessage(await users.deactivate(canonicalUuid(userId))) }),

    listUsers: async ({ pageSize, pageToken }) => {
      const limit = pageSize || defaultPageSize;
      const [after] = decodePageToken(pageToken, listScope, ["string"], domain) ?? [""];
      const found = await users.list(String(after), limit + 1);
      const { page, nextPageToken } = cutPage(found, limit, listScope, ({ id }) => [id]);
      return { users: page.map(toMessage), nextPageToken };
    },
  });
}

/** A UUID of a request as it is kept: the contract lets upper case through. */
function canonicalUuid(uuid: string): string {
  return uuid.toLowerCase();
}

function toMessage(user: User): MessageInitShape<typeof UserSchema> {
  return {
    id: user.id,
    email: user.email,
    displayName: user.displayName,
    status: user.status === "active" ? UserStatus.ACTIVE : UserStatus.INACTIVE,
    version: user.version,
    createTime: timestampFromMs(user.createdAtMs),
    updateTime: timestampFromMs(user.updatedAtMs),
  };
}
