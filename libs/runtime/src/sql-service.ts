import {
  admission,
  type Database,
  logConnections,
  type Migration,
  migrate,
  openDatabase,
  pendingMigrations,
} from "@shoal/storage";
import type { DatabaseSettings, ServiceSettings } from "./service-settings.ts";
import type { BuiltService, ServiceDefinition, ServiceParts } from "./start-service.ts";

/** What a service that keeps state gets to build itself from. */
export interface SqlServiceParts<S, T> extends ServiceParts<S> {
  /** Open, with the schema that the service needs; closed after everything else that it has begun. */
  readonly database: Database<T>;
}

/** A service that keeps state in SQL tables of its own: `T`. */
export interface SqlServiceDefinition<S extends ServiceSettings & DatabaseSettings, T> {
  /** As {@link ServiceDefinition} has it. */
  readonly name: string;
  /** The history of its schema. */
  readonly migrations: readonly Migration[];
  /** As {@link ServiceDefinition} has it. */
  build(parts: SqlServiceParts<S, T>): Promise<Omit<BuiltService, "admission" | "inUse">>;
}

/**
 * A service whose database is opened before it is built, and brought up to date as its setting `migrations` says. While the
 * database has more to do than it can, calls are refused at the door.
 */
export function sqlService<S extends ServiceSettings & DatabaseSettings, T>({
  name,
  migrations,
  build,
}: SqlServiceDefinition<S, T>): ServiceDefinition<S> {
  return {
    name,
    build: async (parts) => {
      const { settings, lifecycle, log, telemetry } = parts;
      const database = openDatabase<T>(settings.databaseUrl, { onConnectionEvent: logConnections(log), telemetry });
      lifecycle.onStop("database", () => database.close());
      if (settings.migrations === "require") await requireMigrated(name, database, migrations);
      else await migrate(database, migrations);
      const built = await build({ ...parts, database });
      return { ...built, admission: admission(database), inUse: () => ({ connections: database.borrowers() }) };
    },
    insteadOfServing: (settings) => {
      if (settings.migrations !== "only") return undefined;
      return async () => {
        const database = openDatabase<T>(settings.databaseUrl);
        try {
          await migrate(database, migrations);
        } finally {
          await database.close();
        }
        return "the database is up to date";
      };
    },
  };
}

async function requireMigrated<T>(
  name: string,
  database: Database<T>,
  migrations: readonly Migration[],
): Promise<void> {
  const pending = await pendingMigrations(database, migrations);
  if (pending.length === 0) return;
  const variable = `SHOAL_${name.toUpperCase()}_MIGRATIONS`;
  throw new Error(
    `the database lacks ${pending.join(", ")}, and ${variable} is "require": run the service once with ${variable}=only`,
  );
}
