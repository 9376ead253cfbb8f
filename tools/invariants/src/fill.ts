// `node_modules/.bin/node tools/invariants/src/fill.ts ORDERS ORDER_URL INVENTORY_URL` fills two databases, both new, with what
// so many orders would have left there, so that anybody can measure how long the check takes. Some minutes for a million.
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, openDatabase } from "@shoal/storage";
import { type RawBuilder, sql } from "kysely";
import { launchServices } from "./launch-services.ts";

const products = 1_000;
const piecesEach = 1_000_000_000;
const price = 450;

/** Orders whose ids are written by one statement. */
const atOnce = 2_000;

/** The databases to fill. */
export interface NewDatabases {
  readonly order: string;
  readonly inventory: string;
}

/** The nth order is placed n ms later, and ends 5 s after that; so all of it is of this day, and its events are kept. */
const beganAt = sql.lit(Date.now() - 12 * 60 * 60_000);
const expiresAt = sql.lit(Date.now() + 12 * 60 * 60_000);

/** Fills two databases, both new, with what so many orders would have left there. */
export async function fill(orders: number, urls: NewDatabases): Promise<void> {
  await makeTables(urls);
  const order = openDatabase<unknown>(urls.order);
  const inventory = openDatabase<unknown>(urls.inventory);
  try {
    await numberOrders(orders, [order, inventory]);
    await Promise.all([run(order, orderRows(order)), run(inventory, inventoryRows(inventory))]);
  } finally {
    await Promise.all([order.close(), inventory.close()]);
  }
}

/** Has the services make them. */
async function makeTables({ order, inventory }: NewDatabases): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), "shoal-fill-"));
  try {
    const launched = await launchServices(home, { user: `sqlite:${join(home, "user.db")}`, inventory, order });
    await launched.stop();
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

async function run(database: Database<unknown>, statements: readonly RawBuilder<unknown>[]): Promise<void> {
  for (const statement of statements) await statement.execute(database.db);
}

/** Gives each order a number, of which all else follows, and an id that is as random as those of orders are. */
async function numberOrders(orders: number, databases: readonly Database<unknown>[]): Promise<void> {
  const make = sql`create table numbered (n integer not null primary key, id varchar(36) not null)`;
  await Promise.all(databases.map((database) => run(database, [make])));
  for (let from = 0; from < orders; from += atOnce) {
    const numbers = Array.from({ length: Math.min(atOnce, orders - from) }, (_, index) => from + index);
    const rows = numbers.map((n) => sql`(${sql.lit(n)}, ${sql.lit(randomUUID())})`);
    const insert = sql`insert into numbered values ${sql.join(rows)}`;
    await Promise.all(databases.map((database) => run(database, [insert])));
  }
}

/** Of ten orders six are confirmed, two cancelled, one is expired and one still placed. */
function statusWords(cancelled: string, placed: string): RawBuilder<string> {
  return sql`case when n % 10 < 6 then 'confirmed' when n % 10 < 8 then ${sql.lit(cancelled)}
    when n % 10 = 8 then 'expired' else ${sql.lit(placed)} end`;
}

/** One line, or two of each third order. */
const lines = sql`
  select id, 0 as position, concat('SKU-', n * 7919 % ${sql.lit(products)}) as sku, 1 + n % 3 as quantity, n from numbered
  union all
  select id, 1, concat('SKU-', (n * 7919 + 1) % ${sql.lit(products)}), 1 + n % 3, n from numbered where n % 3 = 0`;

/** MySQL keeps rows in the order of their keys, and is quicker in that order; SQLite in that in which they come. */
const inOrder = (database: Database<unknown>) => (database.engine === "mysql" ? sql`id` : sql`n`);

function orderRows(database: Database<unknown>): readonly RawBuilder<unknown>[] {
  const status = statusWords("cancelled", "placed");
  const placedAt = sql`${beganAt} + n`;
  const endedAt = sql`${beganAt} + n + 5000`;
  const updatedAt = sql`case when n % 10 = 9 then ${placedAt} else ${endedAt} end`;
  return [
    sql`insert into orders select id, id, ${status}, null, null, ${sql.lit(price)} * (1 + n % 3), 'EUR', ${expiresAt},
        ${expiresAt}, ${placedAt}, ${updatedAt} from numbered order by ${inOrder(database)}`,
    sql`insert into order_lines select id, position, sku, quantity, ${sql.lit(price)} from (${lines}) as all_lines
        order by ${inOrder(database)}, position`,
    sql`insert into idempotency_records select id, id, null, ${placedAt} from numbered order by ${inOrder(database)}`,
    sql`insert into outbox (topic, event_key, version, payload, at_ms, seq) select 'order', id, version, payload, at_ms, row_number() over (order by at_ms, version) from (
          select id, n, 1 as version, concat('["', id, '","placed"]') as payload, ${placedAt} as at_ms from numbered
          union all
          select id, n, 2, concat('["', id, '","', ${status}, '"]'), ${endedAt} from numbered where n % 10 < 9
        ) as told`,
    ...finish,
  ];
}

function inventoryRows(database: Database<unknown>): readonly RawBuilder<unknown>[] {
  const status = statusWords("released", "held");
  const told = database.engine === "mysql" ? sql`told.sku` : sql`told.at_ms, is_end, position`;
  const linesThat = (which: string) => sql`sum(case when ${sql.raw(which)} then quantity else 0 end)`;
  return [
    sql`insert into adjustments select 'load', concat('all/', sku), sku, ${sql.lit(piecesEach)}, '', ${beganAt}
        from (select distinct sku from (${lines}) as all_lines) as skus`,
    sql`insert into products
        select sku, sku, '', ${sql.lit(price)}, 'EUR', 1, ${beganAt}, ${beganAt}, ${sql.lit(piecesEach)} - held - sold, held,
          sold, versions
        from (
          select sku, ${linesThat("n % 10 = 9")} as held, ${linesThat("n % 10 < 6")} as sold,
            sum(case when n % 10 < 9 then 1 else 0 end) + sum(case when n % 4 = 0 then 1 else 0 end) as versions
          from (${lines}) as all_lines group by sku
        ) as levels`,
    sql`insert into reservations select id, ${status}, ${sql.lit(price)} * (1 + n % 3), 'EUR', ${expiresAt}, ${beganAt} + n
        from numbered order by ${inOrder(database)}`,
    sql`insert into reservation_lines select id, position, sku, quantity, ${sql.lit(price)} from (${lines}) as all_lines
        order by ${inOrder(database)}, position`,
    // Holds are made four at a time, and end one by one.
    sql`insert into outbox (topic, event_key, version, payload, at_ms, seq)
        select 'stock', told.sku, row_number() over (partition by told.sku order by told.at_ms, is_end, position),
          concat('[', available, ',', held, ',', sold, ']'), told.at_ms,
          row_number() over (order by told.at_ms, is_end, position)
        from (
          select sku, position, 0 as is_end, ${beganAt} + n as at_ms from (${lines}) as held where n % 4 = 0
          union all
          select sku, position, 1, ${beganAt} + n + 5000 from (${lines}) as ended where n % 10 < 9
        ) as told join products p on p.sku = told.sku order by ${told}`,
    ...finish,
  ];
}

const finish = [sql`update outbox_position set next_seq = (select max(seq) + 1 from outbox)`, sql`drop table numbered`];

if (import.meta.main) {
  const [count = "", order = "", inventory = ""] = process.argv.slice(2);
  if (!/^[1-9]\d{0,7}$/.test(count) || inventory === "") {
    console.error("usage: fill.ts ORDERS ORDER_URL INVENTORY_URL");
    process.exit(2);
  }
  await fill(Number(count), { order, inventory });
}
