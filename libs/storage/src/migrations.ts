import type { Kysely, RawBuilder } from "kysely";
import { type Migration as KyselyMigration, Migrator } from "kysely/migration";
import { type ColumnTypes, columnTypes } from "./column-types.ts";
import type { Database } from "./database.ts";
import { isAddedAlready } from "./errors.ts";

/** One step of a schema's history. Never edited once released: add another. */
export interface Migration {
  /** Sorts after all earlier ones: `0001-create-users`. */
  readonly name: string;
  /**
   * The statements, run in order. MySQL commits each DDL statement by itself, so a crash can leave a migration half
   * done and it is run again: write each so that it can be (`create table if not exists`). A column or an index
   * that is there already counts as added, for MySQL has no words for that.
   */
  statements(types: ColumnTypes): readonly RawBuilder<unknown>[];
}

/**
 * Brings the database up to the last of `migrations`. Takes a lock first, so instances that start together do it once
 * and the others wait. Throws an `Error` that says so when the database has a migration that is not in the list: it
 * was written by a newer release, which this one must not touch, or the list has lost it.
 */
export async function migrate<S>(database: Database<S>, migrations: readonly Migration[]): Promise<void> {
  const migrator = migratorOf(database, migrations);
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return;
  const unknown = /previously executed migration (\S+) is missing/.exec(String(error))?.[1];
  if (unknown === undefined) throw error;
  throw new Error(
    `the database has migration ${unknown}, which this release does not know: it was written by a newer release, or the migration was renamed or removed. ` +
      "Run that release or a newer one, bring the migration back, or give this one another database.",
    { cause: error },
  );
}

/** The names of those of `migrations` that the database has not had yet, in their order. Changes nothing. */
export async function pendingMigrations<S>(
  database: Database<S>,
  migrations: readonly Migration[],
): Promise<readonly string[]> {
  const known = await migratorOf(database, migrations).getMigrations();
  return known.filter(({ executedAt }) => executedAt === undefined).map(({ name }) => name);
}

function migratorOf<S>(database: Database<S>, migrations: readonly Migration[]): Migrator {
  const types = columnTypes(database.engine);
  const provided = Object.fromEntries(migrations.map((migration) => [migration.name, toKysely(migration, types)]));
  return new Migrator({
    db: database.db,
    provider: { getMigrations: async () => provided },
    migrationTableName: "shoal_migration",
    migrationLockTableName: "shoal_migration_lock",
  });
}

function toKysely(migration: Migration, types: ColumnTypes): KyselyMigration {
  return {
    up: async (db: Kysely<unknown>) => {
      for (const statement of migration.statements(types)) {
        try {
          await statement.execute(db);
        } catch (error) {
          if (!isAddedAlready(error)) throw error;
        }
      }
    },
  };
}
