import { newId, systemClock } from "@shoal/kernel";
import { sqlService } from "@shoal/runtime";
import { openOutbox } from "@shoal/storage";
import type { UserSettings } from "./config.ts";
import { createUsers } from "./domain/users.ts";
import { userHandlers } from "./handlers.ts";
import { migrations } from "./store/migrations.ts";
import { createSqlUserStore, type UserTables } from "./store/sql-user-store.ts";

/** The user service and all its parts. */
export const userService = sqlService<UserSettings, UserTables>({
  name: "user",
  migrations,
  build: async ({ database, lifecycle, log, telemetry }) => {
    const outbox = openOutbox(database, {
      onError: (err) => log.error({ err }, "the outbox failed; it tries again"),
      telemetry,
    });
    lifecycle.onStop("outbox", () => outbox.close());
    const users = createUsers({ store: createSqlUserStore(database, outbox.nudge), clock: systemClock, newId });
    return { services: [userHandlers(users)] };
  },
});
