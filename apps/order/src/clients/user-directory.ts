import { type UserService, UserStatus } from "@shoal/contracts/user/v1/user_service";
import { isAppError } from "@shoal/kernel";
import type { Client } from "@shoal/rpc";
import type { UserDirectory } from "../domain/ports.ts";
import { upstreamError } from "./upstream-error.ts";

/** The user service behind the domain's port. The caller disposes of the client. */
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
