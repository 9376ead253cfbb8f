import { type BadCall, badUuids, invalid, long, refused, unknownId, uuids } from "./bad-call.ts";
import type { World } from "./world.ts";

const badEmails = [
  ["missing", ""],
  ["malformed", "ada.example.com"],
  ["with a space", "ada lovelace@example.com"],
  ["too long", `${long(64)}@${[60, 60, 60, 10].map(long).join(".")}`],
] as const;
const badNames = [
  ["missing", ""],
  ["white space only", " \t\n"],
  ["too long", "🦈".repeat(101)],
] as const;

/** Every way to call UserService wrongly. */
export function badUserCalls({ ada, otherUser, inactive, productsPageToken }: World): readonly BadCall[] {
  const update = { userId: ada.id, version: ada.version, updateMask: { paths: ["display_name"] }, displayName: "Ada" };
  return [
    ...badEmails.map(([when, email]) =>
      invalid("CreateUser", `e-mail ${when}`, ["email"], ({ user }) => user.createUser({ email, displayName: "Ada" })),
    ),
    ...badNames.map(([when, displayName]) =>
      invalid("CreateUser", `name ${when}`, ["display_name"], ({ user }) =>
        user.createUser({ email: "new@example.com", displayName }),
      ),
    ),
    invalid("CreateUser", "everything missing", ["email", "display_name"], ({ user }) => user.createUser({})),
    refused("CreateUser", "e-mail of another", "ALREADY_EXISTS", "EMAIL_TAKEN", ({ user }) =>
      user.createUser({ email: ada.email, displayName: "Ada" }),
    ),
    refused("CreateUser", "e-mail of another in other case", "ALREADY_EXISTS", "EMAIL_TAKEN", ({ user }) =>
      user.createUser({ email: ada.email.toUpperCase(), displayName: "Ada" }),
    ),
    refused("CreateUser", "e-mail of an inactive user", "ALREADY_EXISTS", "EMAIL_TAKEN", ({ user }) =>
      user.createUser({ email: inactive.email, displayName: "Ada" }),
    ),

    ...badUuids.flatMap(([when, userId]) => [
      invalid("GetUser", `id ${when}`, ["user_id"], ({ user }) => user.getUser({ userId })),
      invalid("DeactivateUser", `id ${when}`, ["user_id"], ({ user }) => user.deactivateUser({ userId })),
      invalid("UpdateUser", `id ${when}`, ["user_id"], ({ user }) => user.updateUser({ ...update, userId })),
      invalid("BatchGetUsers", `an id ${when}`, ["user_ids[1]"], ({ user }) =>
        user.batchGetUsers({ userIds: [ada.id, userId] }),
      ),
    ]),
    refused("GetUser", "unknown id", "NOT_FOUND", "USER_NOT_FOUND", ({ user }) => user.getUser({ userId: unknownId })),
    refused("DeactivateUser", "unknown id", "NOT_FOUND", "USER_NOT_FOUND", ({ user }) =>
      user.deactivateUser({ userId: unknownId }),
    ),
    invalid("BatchGetUsers", "no ids", ["user_ids"], ({ user }) => user.batchGetUsers({})),
    ...[101, 10_000].map((count) =>
      invalid("BatchGetUsers", `${count} ids`, ["user_ids"], ({ user }) =>
        user.batchGetUsers({ userIds: uuids(count) }),
      ),
    ),
    invalid("BatchGetUsers", "an id twice", ["user_ids"], ({ user }) =>
      user.batchGetUsers({ userIds: [ada.id, ada.id] }),
    ),

    ...[0, -1, -2_147_483_648].map((version) =>
      invalid("UpdateUser", `version ${version}`, ["version"], ({ user }) => user.updateUser({ ...update, version })),
    ),
    invalid("UpdateUser", "no mask", ["update_mask"], ({ user }) =>
      user.updateUser({ userId: ada.id, version: ada.version, displayName: "Ada" }),
    ),
    ...[[], ["status"], ["display_name", "id"], ["displayName"], [""]].map((paths) =>
      invalid("UpdateUser", `mask ${JSON.stringify(paths)}`, ["update_mask"], ({ user }) =>
        user.updateUser({ ...update, updateMask: { paths } }),
      ),
    ),
    ...badEmails.map(([when, email]) =>
      invalid("UpdateUser", `e-mail ${when}`, ["email"], ({ user }) =>
        user.updateUser({ ...update, updateMask: { paths: ["email"] }, email }),
      ),
    ),
    ...badNames.map(([when, displayName]) =>
      invalid("UpdateUser", `name ${when}`, ["display_name"], ({ user }) =>
        user.updateUser({ ...update, displayName }),
      ),
    ),
    invalid("UpdateUser", "everything missing", ["user_id", "version", "update_mask"], ({ user }) =>
      user.updateUser({}),
    ),
    refused("UpdateUser", "unknown id", "NOT_FOUND", "USER_NOT_FOUND", ({ user }) =>
      user.updateUser({ ...update, userId: unknownId }),
    ),
    ...[ada.version - 1, ada.version + 1, 2_147_483_647].map((version) =>
      refused("UpdateUser", `version ${version} of ${ada.version}`, "ABORTED", "USER_VERSION_STALE", ({ user }) =>
        user.updateUser({ ...update, version }),
      ),
    ),
    refused("UpdateUser", "e-mail of another", "ALREADY_EXISTS", "EMAIL_TAKEN", ({ user }) =>
      user.updateUser({ ...update, updateMask: { paths: ["email"] }, email: otherUser.email.toUpperCase() }),
    ),

    ...[-1, 101, 2_147_483_647].map((pageSize) =>
      invalid("ListUsers", `page size ${pageSize}`, ["page_size"], ({ user }) => user.listUsers({ pageSize })),
    ),
    invalid("ListUsers", "page token too long", ["page_token"], ({ user }) => user.listUsers({ pageToken: long(513) })),
    ...[
      ["garbage", "garbage"],
      ["of another list", productsPageToken],
    ].map(([when, pageToken = ""]) =>
      refused(
        "ListUsers",
        `page token ${when}`,
        "INVALID_ARGUMENT",
        "PAGE_TOKEN_INVALID",
        ({ user }) => user.listUsers({ pageToken }),
        { fields: ["page_token"] },
      ),
    ),
  ];
}
