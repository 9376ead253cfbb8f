import { openDatabase } from "@shoal/storage";
import { sql } from "kysely";

/** Rows of one statement, each in a transaction of its own. */
const rowsAtOnce = 1_000;

/** What the database says of a catalogue. */
export interface CatalogueFigures {
  /** What the table of products takes, in bytes, as the server estimates it. */
  readonly productsBytes: number;
  /** What the server keeps in memory of all tables, in bytes: `innodb_buffer_pool_size`. */
  readonly bufferPoolBytes: number;
}

/**
 * Adds products to the inventory's database by inserts of 1,000 rows each, past the service: what a load writes, a product and
 * its adjustment, without the events. `pieces` of each are available. Rejects when `signal` aborts.
 */
export async function fillCatalogue(
  inventoryUrl: string,
  skus: readonly string[],
  pieces: number,
  signal: AbortSignal,
): Promise<CatalogueFigures> {
  const database = openDatabase(inventoryUrl, { maxConnections: 1 });
  const { db } = database;
  const now = Date.now();
  try {
    for (let from = 0; from < skus.length; from += rowsAtOnce) {
      signal.throwIfAborted();
      const some = skus.slice(from, from + rowsAtOnce);
      const products = some.map((sku) => sql`(${sku}, ${sku}, '', 100, 'EUR', 1, ${now}, ${now}, ${pieces}, 0, 0, 0)`);
      await sql`insert into products (sku, name, description, price_minor_units, currency, version, created_at_ms,
        updated_at_ms, available, held, sold, stock_version) values ${sql.join(products)}`.execute(db);
      const adjustments = some.map((sku) => sql`('load', ${`all/${sku}`}, ${sku}, ${pieces}, '', ${now})`);
      await sql`insert into adjustments (source, id, sku, delta, reason, created_at_ms)
        values ${sql.join(adjustments)}`.execute(db);
    }
    await sql`analyze table products`.execute(db);
    const { rows } = await sql<Readonly<Record<"bytes" | "pool", unknown>>>`
      select data_length + index_length as bytes, @@global.innodb_buffer_pool_size as pool
      from information_schema.tables where table_schema = database() and table_name = 'products'`.execute(db);
    return { productsBytes: Number(rows[0]?.bytes), bufferPoolBytes: Number(rows[0]?.pool) };
  } finally {
    await database.close();
  }
}
