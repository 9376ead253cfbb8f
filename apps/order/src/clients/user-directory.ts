import { Batcher, type BatchObserver } from "@shoal/concurrency";
import { type UserService, UserStatus } from "@shoal/contracts/user/v1/user_service";
import { isAppError } from "@shoal/kernel";
import type { Client } from "@shoal/rpc";
import type { UserDirectory } from "../domain/ports.ts";
import { upstreamError } from "./upstream-error.ts";

/** As many as one call may ask for. */
const maxBatch = 100;

/** The user service behind the domain's port, a call for each question. The caller disposes of the client. */
export function createUserDirectory(client: Client<typeof UserService>): UserDirectory {
  return {
    isActive: async (userId) => {
      try {
        const { user } = await client.getUser({ userId });
        return user?.status === UserStatus.ACTIVE;
      } catch (error) {
        if (isAppError(error, "USER_NOT_FOUND")) return undefined;
        throw upstreamError("user", error);
      }
    },
  };
}

/**
 * The user service behind the domain's port, asked for many users at once where many are wanted at the same time. The caller
 * disposes of the client, after `close`, which waits for what is asked.
 */
export function createBatchedUserDirectory(
  client: Client<typeof UserService>,
  observer?: BatchObserver,
): UserDirectory & { close(): Promise<void> } {
  const batcher = new Batcher<string, boolean | undefined>({
    run: async (asked) => {
      try {
        const { users } = await client.batchGetUsers({ userIds: [...new Set(asked)] });
        const active = new Map(users.map(({ id, status }) => [id, status === UserStatus.ACTIVE]));
        return asked.map((id) => ({ value: active.get(id) }));
      } catch (error) {
        throw upstreamError("user", error);
      }
    },
    maxItems: maxBatch,
    observer,
  });
  return { isActive: (userId) => batcher.submit(userId), close: () => batcher.close() };
}
