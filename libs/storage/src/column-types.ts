import { type RawBuilder, sql } from "kysely";
import type { DatabaseUrl } from "./database-url.ts";

/** The words of one engine's DDL for the column types that both engines store and compare alike. */
export interface ColumnTypes {
  /** A key of at most 255 visible ASCII characters; compared byte by byte. */
  readonly key: RawBuilder<unknown>;
  /** Unicode text of at most `characters`; compared by code point, case counts. */
  text(characters: number): RawBuilder<unknown>;
  /** Unicode text of at most 16,000,000 bytes, which no index has; compared by code point. */
  readonly longText: RawBuilder<unknown>;
  /** A whole number of 32 bits; read as `number`. */
  readonly int: RawBuilder<unknown>;
  /** A whole number of 64 bits; read as `bigint`. */
  readonly bigint: RawBuilder<unknown>;
  /** What stands after a table's closing parenthesis. */
  readonly tableOptions: RawBuilder<unknown>;
}

const words: Readonly<Record<DatabaseUrl["engine"], ColumnTypes>> = {
  sqlite: {
    key: sql`text`,
    text: () => sql`text`,
    longText: sql`text`,
    int: sql`int`,
    bigint: sql`integer`,
    // STRICT refuses a value of another type, as MySQL's strict mode does, and tells INT from INTEGER when reading.
    tableOptions: sql`strict`,
  },
  mysql: {
    key: sql`varchar(255) character set ascii collate ascii_bin`,
    text: (characters) => sql`varchar(${sql.lit(characters)}) character set utf8mb4 collate utf8mb4_bin`,
    longText: sql`mediumtext character set utf8mb4 collate utf8mb4_bin`,
    int: sql`int`,
    bigint: sql`bigint`,
    tableOptions: sql`engine = InnoDB default charset = utf8mb4`,
  },
};

/** The column types of an engine, for migrations. */
export function columnTypes(engine: DatabaseUrl["engine"]): ColumnTypes {
  return words[engine];
}
