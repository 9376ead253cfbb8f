import type { Dashboard } from "./dashboard.ts";
import { database } from "./database.ts";
import { oneService } from "./one-service.ts";
import { orders } from "./orders.ts";
import { overview } from "./overview.ts";
import { resilience } from "./resilience.ts";

/** All there are. */
export const dashboards: readonly Dashboard[] = [overview, oneService, resilience, database, orders];
