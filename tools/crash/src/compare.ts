import { setTimeout as sleep } from "node:timers/promises";
import { openDatabase } from "@shoal/storage";
import { sql } from "kysely";
import type { Ledger } from "./ledger.ts";
import { paymentOf } from "./shop.ts";
import type { Stage } from "./stage.ts";
import type { Watches } from "./watches.ts";

/** How long the watches may take to see the last changes, in milliseconds. */
const seeTimeoutMs = 10_000;

interface OrderRow {
  readonly id: string;
  readonly user_id: string;
  readonly status: string;
  readonly payment_reference: string | null;
  readonly lines: string | null;
}

interface ProductRow {
  readonly sku: string;
  readonly available: bigint;
  readonly held: bigint;
  readonly sold: bigint;
}

/**
 * Compares what clients were told with what there is, when nothing is under way; answers what differs, in words. Every order
 * that was acknowledged is there with its lines, and has ended as somebody was told; there is no other one; the pieces
 * of each product are those that were added; every user that was acknowledged is there; and the watches have seen each order
 * placed and ended, once each, and the last level of each product. Rejects when `signal` aborts.
 */
export async function compare(
  { databases }: Pick<Stage, "databases">,
  ledger: Ledger,
  watches: Watches,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const orders = await read<OrderRow>(
    databases.order,
    `select o.id, o.user_id, o.status, o.payment_reference,
      group_concat(concat(l.sku, ' ', l.quantity, ' at ', l.unit_price_minor_units) order by l.position separator ', ') as \`lines\`
      from orders o left join order_lines l on l.order_id = o.id group by o.id`,
  );
  const products = await read<ProductRow>(databases.inventory, "select sku, available, held, sold from products");
  const users = await read<{ id: string }>(databases.user, "select id from users");
  const levels = new Map(products.map(({ sku, available, held, sold }) => [sku, `${available} ${held} ${sold}`]));
  const hasSeenAll = () =>
    orders.every(({ id }) => (watches.orders.get(id)?.length ?? 0) > 1) &&
    [...levels].every(([sku, level]) => watches.levels.get(sku) === level);
  const until = performance.now() + seeTimeoutMs;
  while (!hasSeenAll() && performance.now() < until) await sleep(50, undefined, { signal });
  return [
    ...ledger.problems,
    ...compareOrders(orders, ledger),
    ...comparePieces(products, orders, ledger),
    ...missing("user", ledger.users, new Set(users.map(({ id }) => id))),
    ...watches.problems,
    ...compareSeen(orders, levels, watches),
  ];
}

function compareOrders(rows: readonly OrderRow[], ledger: Ledger): string[] {
  const found = missing("order", ledger.orders.keys(), new Set(rows.map(({ id }) => id)));
  for (const { id, user_id, status, payment_reference, lines } of rows) {
    const noted = ledger.orders.get(id);
    if (noted === undefined) {
      found.push(`order ${id} is there, and nobody was told`);
      continue;
    }
    const wanted = noted.lines.join(", ");
    if (lines !== wanted || user_id !== noted.userId)
      found.push(`order ${id} has ${lines}, and was told to have ${wanted}`);
    if (noted.end !== undefined && noted.end !== status)
      found.push(`order ${id} is ${status}, and was told to be ${noted.end}`);
    if (status === "confirmed" && noted.end === undefined) found.push(`order ${id} is confirmed, and nobody was told`);
    if (status === "confirmed" && payment_reference !== paymentOf(id))
      found.push(`order ${id} is paid with ${payment_reference}`);
  }
  return found;
}

/** What differs between the pieces of each product and those that were added, and sold in orders, in words. */
export function comparePieces(
  products: readonly ProductRow[],
  orders: readonly Pick<OrderRow, "status" | "lines">[],
  { pieces }: Pick<Ledger, "pieces">,
): string[] {
  const sales = new Map<string, number>();
  for (const { status, lines } of orders)
    for (const line of status === "confirmed" ? (lines ?? "").split(", ") : []) {
      const [sku = "", quantity = "0"] = line.split(" ");
      sales.set(sku, (sales.get(sku) ?? 0) + Number(quantity));
    }
  const lost = missing("product", pieces.keys(), new Set(products.map(({ sku }) => sku)));
  const differing = products.flatMap(({ sku, available, held, sold }) => {
    const there = Number(available + held + sold);
    const found: string[] = [];
    if (there !== pieces.get(sku)) found.push(`of ${sku} there are ${there} pieces, and ${pieces.get(sku)} were added`);
    if (Number(sold) !== (sales.get(sku) ?? 0))
      found.push(`of ${sku} ${sold} are sold, ${sales.get(sku) ?? 0} of them in orders`);
    return found;
  });
  return [...lost, ...differing];
}

function compareSeen(orders: readonly OrderRow[], levels: ReadonlyMap<string, string>, watches: Watches): string[] {
  const found: string[] = [];
  for (const { id, status } of orders) {
    const seen = watches.orders.get(id)?.join(", ");
    const wanted = `PLACED, ${status.toUpperCase()}`;
    if (seen !== wanted) found.push(`order ${id} was seen as ${seen}, and not as ${wanted}`);
  }
  for (const [sku, level] of levels)
    if (watches.levels.get(sku) !== level)
      found.push(`the level of ${sku} is ${level}, and was seen as ${watches.levels.get(sku)}`);
  return found;
}

function missing(what: string, told: Iterable<string>, there: ReadonlySet<string>): string[] {
  return [...told].filter((id) => !there.has(id)).map((id) => `${what} ${id} was acknowledged, and is not there`);
}

async function read<R>(url: string, statement: string): Promise<readonly R[]> {
  const database = openDatabase<unknown>(url);
  try {
    return (await sql.raw<R>(statement).execute(database.db)).rows;
  } finally {
    await database.close();
  }
}
