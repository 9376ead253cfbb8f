import { maxExamples } from "./finding.ts";
import { IdTable, missing, type Part } from "./id-table.ts";
import { reservationStatusOf } from "./inventory-side.ts";
import { hasLines, isConfirming, isOverdue, orderStatusOf } from "./order-side.ts";
import { linesAt, type Side, type SideOptions, stateAt } from "./side.ts";

/** How the reservation of an order may stand, by the status of the order. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  placed: ["held", "confirmed", "released", "expired"],
  confirmed: ["confirmed"],
  cancelled: ["released"],
  expired: ["expired", "released"],
};

/** What an order and its reservation differ in, by the key of their id: in words, or in their lines. */
export interface Difference {
  readonly key: string;
  readonly wrong: string;
}

/** What {@link compareSides} has found: how much, and some of it. */
export interface Comparison {
  readonly different: number;
  readonly differences: readonly Difference[];
  /** How many sales have no order, and the keys of up to {@link maxSales} of them. */
  readonly unordered: number;
  readonly sales: readonly string[];
}

/** How many sales without an order are told. */
const maxSales = 10_000;

/** The words for lines that differ. */
export const otherLines = "its reservation has other lines";

/** Compares the orders of a part with the reservations of that part. */
export function compareSides(orders: Side, reservations: Side, part: Part, options: SideOptions): Comparison {
  const table = new IdTable(orders.cells, orders.width, part);
  const others = new IdTable(reservations.cells, reservations.width, part);
  const hasOrder = new Uint8Array(others.cells.length / others.width);
  const differences: Difference[] = [];
  let different = 0;
  for (const at of table.places()) {
    const other = others.findIn(table, at);
    if (other !== missing) hasOrder[other / others.width] = 1;
    const wrong = difference(table, at, others, other, options);
    if (wrong === undefined) continue;
    different += 1;
    if (different <= maxExamples) differences.push({ key: table.keyAt(at), wrong });
  }
  const sales: string[] = [];
  let unordered = 0;
  for (const at of others.places()) {
    const isSold = reservationStatusOf(others.cells[at + stateAt] as number) === "confirmed";
    if (!isSold || hasOrder[at / others.width] !== 0) continue;
    unordered += 1;
    if (unordered <= maxSales) sales.push(others.keyAt(at));
  }
  return { different, differences, unordered, sales };
}

/** What is wrong with an order and its reservation. */
function difference(
  orders: IdTable,
  at: number,
  reservations: IdTable,
  other: number,
  options: SideOptions,
): string | undefined {
  const state = orders.cells[at + stateAt] as number;
  if (other === missing) return `it is ${orderStatusOf(state)}, and has no reservation`;
  if (!hasLines(state)) return "it has no lines";
  if (orders.cells[at + linesAt] !== reservations.cells[other + linesAt]) return otherLines;
  return differentEnd(state, reservations.cells[other + stateAt] as number, options);
}

/** What is wrong with how an order and its reservation stand. */
function differentEnd(state: number, otherState: number, { settled, overdueMs }: SideOptions): string | undefined {
  const status = orderStatusOf(state);
  const other = reservationStatusOf(otherState);
  if (!allowed[status]?.includes(other)) return `it is ${status}, and its reservation ${other}`;
  if (status !== "placed" || other === "held") return undefined;
  if (isOverdue(state))
    return `it is placed, its reservation ${other}, and it is to be settled since more than ${overdueMs} ms`;
  // While calls come in, the confirmation may have been begun after the order was read.
  if (settled && other === "confirmed" && !isConfirming(state))
    return "it is placed, and its reservation confirmed, which nobody has begun";
  return undefined;
}
