import type { Services } from "@shoal/services";
import { databasesSql } from "./compose/databases.ts";
import { prometheusYaml } from "./compose/prometheus.ts";
import { servicesYaml } from "./compose/services.ts";

/** What Docker Compose must know of every service: the texts of files in `deploy/`, by their paths from the root. */
export function composeFiles(services: Services): ReadonlyMap<string, string> {
  return new Map([
    ["deploy/compose/services.yml", servicesYaml(services)],
    ["deploy/mysql/databases.sql", databasesSql(services)],
    ["deploy/observability/prometheus/services.yml", prometheusYaml(services)],
  ]);
}
