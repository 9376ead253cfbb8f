import { sql } from "kysely";
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
}

interface ReservationRow {
  readonly id: string;
  readonly status: string;
}

interface LinesRow {
  readonly id: string;
  /** `<SKU> <quantity> at <price>`, line by line. */
  readonly text: string;
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
      select id, status, intent, settle_at_ms from orders
      where id > ${after} order by id limit ${sql.lit(limit)}`),
  );
  const reservations = new Pages<ReservationRow>((after, limit) =>
    inventory.rows(sql<ReservationRow>`
      select id, status from reservations where id > ${after} order by id limit ${sql.lit(limit)}`),
  );
  const orderLines = linesOf(order, "order_lines", "order_id");
  const reservationLines = linesOf(inventory, "reservation_lines", "reservation_id");
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
    if (orders.isPageDue) await orders.read();
    const one = orders.current;
    if (one === undefined) break;
    orders.advance();
    matching.looked(1);
    while (true) {
      if (reservations.isPageDue) await reservations.read();
      const before = reservations.current;
      if (before === undefined || before.id >= one.id) break;
      await passOver(before);
      reservations.advance();
    }
    const other = reservations.current;
    if (other?.id !== one.id) {
      matching.violated(`order ${one.id} is ${one.status}, and has no reservation`);
      continue;
    }
    reservations.advance();
    sales.looked(1);
    if (!orderLines.isAt(one.id)) await orderLines.goTo(one.id);
    if (!reservationLines.isAt(one.id)) await reservationLines.goTo(one.id);
    const wrong =
      differentLines(textAt(orderLines, one.id), textAt(reservationLines, one.id)) ?? differentEnd(one, other, options);
    if (wrong !== undefined) matching.violated(`order ${one.id}: ${wrong}`);
  }
  while (true) {
    if (reservations.isPageDue) await reservations.read();
    const other = reservations.current;
    if (other === undefined) break;
    await passOver(other);
    reservations.advance();
  }
  await lookUp();
  return [matching.finding, sales.finding];
}

function differentLines(lines: string | undefined, reserved: string | undefined): string | undefined {
  if (lines === undefined) return "it has no lines";
  if (lines === reserved) return undefined;
  const [its, others] = [lines, reserved ?? "none"].map((text) => text.replaceAll("\n", ", "));
  return `its lines are ${its}, and those of its reservation ${others}`;
}

/** What is wrong with how an order and its reservation stand. */
function differentEnd(
  order: OrderRow,
  reservation: ReservationRow,
  { settled, overdueMs, nowMs }: Pick<ComparisonOptions, "settled" | "overdueMs" | "nowMs">,
): string | undefined {
  const { status, intent } = order;
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

/** The lines of each order or reservation in one text. */
function linesOf({ rows, concat, joinLines }: Snapshot, table: string, idColumn: string): Pages<LinesRow> {
  const id = sql.ref(idColumn);
  const text = joinLines(
    concat(sql`sku`, sql`' '`, sql`quantity`, sql`' at '`, sql`unit_price_minor_units`),
    sql`position`,
  );
  return new Pages((after, limit) =>
    rows(sql<LinesRow>`
      select ${id} as id, ${text} as text from ${sql.table(table)}
      where ${id} > ${after} group by ${id} order by ${id} limit ${sql.lit(limit)}`),
  );
}

function textAt({ current }: Pages<LinesRow>, id: string): string | undefined {
  return current?.id === id ? current.text : undefined;
}
