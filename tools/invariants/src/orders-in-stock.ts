import { type RawBuilder, sql } from "kysely";
import { type Finding, Findings } from "./finding.ts";
import { Pages } from "./pages.ts";
import type { Snapshot } from "./snapshot.ts";

/** How the orders are compared with the reservations. */
export interface ComparisonOptions {
  readonly settled: boolean;
  readonly overdueMs: number;
  readonly nowMs: number;
  /** Those of `ids` that are orders by now. */
  readonly ordersNow: (ids: readonly string[]) => Promise<ReadonlySet<string>>;
}

interface OrderRow {
  readonly id: string;
  readonly status: string;
  readonly intent: string | null;
  readonly settle_at_ms: bigint;
  /** `<SKU> <quantity> <price>`, line by line; null where there are none. */
  readonly line_texts: string | null;
}

interface ReservationRow {
  readonly id: string;
  readonly status: string;
  readonly line_texts: string | null;
}

/** How the reservation of an order may stand, by the status of the order. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  placed: ["held", "confirmed", "released", "expired"],
  confirmed: ["confirmed"],
  cancelled: ["released"],
  expired: ["expired", "released"],
};

/** Sales without an order that are looked up at once. */
const lookupSize = 500;

/**
 * Whether each order has its reservation, with the same lines, which stands or ended as the order did; and whether each sale
 * has its order. Both sides are read in the order of their ids, page by page, and at the same time.
 */
export async function ordersMatchReservations(
  order: Snapshot,
  inventory: Snapshot,
  options: ComparisonOptions,
): Promise<readonly Finding[]> {
  const matching = new Findings("orders-match-reservations", "each order has its reservation: same lines, same end");
  const sales = new Findings("sales-have-orders", "each confirmed reservation is that of an order");
  const orders = new Pages<OrderRow>((after, limit) =>
    order.rows(sql<OrderRow>`
      select o.id, o.status, o.intent, o.settle_at_ms, (${lineTexts(order, "order_lines", "order_id")}) as line_texts
      from orders o where o.id > ${after} order by o.id limit ${sql.lit(limit)}`),
  );
  const reservations = new Pages<ReservationRow>((after, limit) =>
    inventory.rows(sql<ReservationRow>`
      select o.id, o.status, (${lineTexts(inventory, "reservation_lines", "reservation_id")}) as line_texts
      from reservations o where o.id > ${after} order by o.id limit ${sql.lit(limit)}`),
  );
  let unmatched: string[] = [];
  const lookUp = async () => {
    if (unmatched.length === 0) return;
    const known = await options.ordersNow(unmatched);
    for (const id of unmatched) if (!known.has(id)) sales.violated(`${id} is sold, and there is no such order`);
    unmatched = [];
  };
  const passOver = async ({ id, status }: ReservationRow) => {
    sales.looked(1);
    if (status === "confirmed" && unmatched.push(id) === lookupSize) await lookUp();
  };

  while (true) {
    if (orders.isPageRead) await orders.read();
    const one = orders.current;
    if (one === undefined) break;
    matching.looked(1);
    let other: ReservationRow | undefined;
    while (true) {
      if (reservations.isPageRead) await reservations.read();
      other = reservations.current;
      if (other === undefined || other.id >= one.id) break;
      await passOver(other);
      reservations.advance();
    }
    orders.advance();
    if (other?.id !== one.id) {
      matching.violated(`order ${one.id} is ${one.status}, and has no reservation`);
      continue;
    }
    sales.looked(1);
    reservations.advance();
    const wrong = difference(one, other, options);
    if (wrong !== undefined) matching.violated(`order ${one.id}: ${wrong}`);
  }
  while (true) {
    if (reservations.isPageRead) await reservations.read();
    const other = reservations.current;
    if (other === undefined) break;
    await passOver(other);
    reservations.advance();
  }
  await lookUp();
  return [matching.finding, sales.finding];
}

/** What is wrong with an order and its reservation. */
function difference(
  order: OrderRow,
  reservation: ReservationRow,
  { settled, overdueMs, nowMs }: Pick<ComparisonOptions, "settled" | "overdueMs" | "nowMs">,
): string | undefined {
  const { status, intent } = order;
  if (order.line_texts === null) return "it has no lines";
  if (order.line_texts !== reservation.line_texts) {
    const [its, others] = [order.line_texts, reservation.line_texts ?? "none"].map((text) =>
      text.replaceAll("\n", ", "),
    );
    return `its lines are ${its}, and those of its reservation ${others}`;
  }
  if (!allowed[status]?.includes(reservation.status))
    return `it is ${status}, and its reservation ${reservation.status}`;
  if (status !== "placed" || reservation.status === "held") return undefined;
  const overdueFor = nowMs - Number(order.settle_at_ms);
  if (overdueFor > overdueMs)
    return `it is placed, its reservation ${reservation.status}, and it is to be settled since ${overdueFor} ms`;
  // While calls come in, the confirmation may have been begun after the order was read.
  if (settled && reservation.status === "confirmed" && intent !== "confirm")
    return "it is placed, and its reservation confirmed, which nobody has begun";
  return undefined;
}

function lineTexts({ concat, joinLines }: Snapshot, table: string, idColumn: string): RawBuilder<unknown> {
  const text = concat(sql`l.sku`, sql`' '`, sql`l.quantity`, sql`' at '`, sql`l.unit_price_minor_units`);
  return sql`select ${joinLines(text, sql`l.position`)} from ${sql.table(table)} l
    where ${sql.ref(`l.${idColumn}`)} = o.id`;
}
