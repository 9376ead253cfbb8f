import type { Reservation } from "@shoal/inventory/domain/reservation";
import type { Order } from "@shoal/order/domain/order";
import type { History } from "./history.ts";
import type { InventoryDatabase } from "./memory/memory-inventory-store.ts";
import type { OrderDatabase } from "./memory/memory-order-store.ts";
import type { OutboxRow } from "./memory/outbox.ts";
import type { RowChange } from "./memory/table.ts";

type Report = (violation: string) => void;

/** How the reservation of an order stands, by the status of the order. */
const allowed: Readonly<Record<Order["status"], readonly Reservation["status"][]>> = {
  placed: ["held", "confirmed", "released", "expired"],
  confirmed: ["confirmed"],
  cancelled: ["released"],
  expired: ["expired", "released"],
};

/** What a row was and what it has become. */
interface Change<R> {
  readonly before: R | undefined;
  readonly after: R | undefined;
}

/** Checks each commit of the inventory: I1, I2, I5, I7, and that nothing is held that was said to be released. */
export function checkInventoryCommit(
  { products, adjustments, reservations }: InventoryDatabase,
  changes: readonly RowChange[],
  { directEnds }: History,
  report: Report,
): void {
  for (const { before, after } of rowsOf<Reservation>(changes, "reservations")) {
    if (before === undefined && after?.status === "held" && directEnds.has(after.id))
      report(`I5: reservation ${after.id} is held after its maker was told that it has ended`);
    if (before !== undefined && before.status !== "held" && after !== undefined && after.status !== before.status)
      report(`I5: reservation ${before.id} was ${before.status} and is ${after.status}`);
  }
  const events = new Map(rowsOf<OutboxRow>(changes, "outbox").map((event) => [event.after?.key, event]));
  const levels = new Map<string, { adjusted: number; held: number; sold: number }>();
  const levelOf = (sku: string) => {
    const level = levels.get(sku) ?? { adjusted: 0, held: 0, sold: 0 };
    levels.set(sku, level);
    return level;
  };
  for (const { sku, delta } of adjustments.rows.values()) levelOf(sku).adjusted += delta;
  for (const { status, lines } of reservations.rows.values())
    for (const { sku, quantity } of lines) {
      if (status === "held") levelOf(sku).held += quantity;
      if (status === "confirmed") levelOf(sku).sold += quantity;
    }
  for (const [sku, { stock }] of products.rows) {
    const { available, held, sold, version } = stock;
    const level = levelOf(sku);
    const is = `available ${available}, held ${held}, sold ${sold}`;
    if (level.adjusted !== available + held + sold)
      report(`I1: ${sku} has ${is}, and was adjusted by ${level.adjusted}`);
    if (level.held !== held || level.sold !== sold)
      report(`I1: ${sku} has ${is}, and its reservations hold ${level.held} and sold ${level.sold}`);
    if (available < 0 || held < 0 || sold < 0) report(`I2: ${sku} has ${is}`);
    const change = changes.find((one) => one.table === "products" && one.key === sku);
    const told = events.get(sku)?.after;
    const isMoved = (change?.before as { stock: { version: number } } | undefined)?.stock.version === version - 1;
    if (isMoved !== (told !== undefined && events.get(sku)?.before === undefined))
      report(`I7: ${sku} has changed without an event, or the other way round`);
    if (isMoved && told?.payload !== JSON.stringify([available, held, sold]))
      report(`I7: ${sku} has ${is}, and its event tells ${told?.payload}`);
  }
  checkPlaces(changes, report);
}

/** Checks each commit of the order service: I3, I4, I5, I7. What the inventory has done before it is there by then. */
export function checkOrderCommit(
  { records }: OrderDatabase,
  { reservations }: InventoryDatabase,
  changes: readonly RowChange[],
  report: Report,
): void {
  const events = rowsOf<OutboxRow>(changes, "outbox").filter(({ before }) => before === undefined);
  let told = 0;
  for (const { before, after } of rowsOf<Order>(changes, "orders")) {
    if (after === undefined) {
      report(`I3: order ${before?.id} is gone`);
      continue;
    }
    const { id, status, lines } = after;
    const reservation = reservations.rows.get(id);
    if (reservation === undefined) report(`I3: order ${id} has no reservation`);
    else if (!sameLines(lines, reservation.lines)) report(`I3: order ${id} has other lines than its reservation`);
    else if (!allowed[status].includes(reservation.status))
      report(`I5: order ${id} is ${status}, and its reservation ${reservation.status}`);
    if (records.rows.get(id)?.error !== undefined) report(`I4: order ${id} was refused too`);
    if (before !== undefined && before.status !== "placed" && before.status !== status)
      report(`I5: order ${id} was ${before.status} and is ${status}`);
    if (before?.status === status) continue;
    told += 1;
    const version = before === undefined ? 1 : 2;
    const event = events.find((one) => one.after?.key === id)?.after;
    if (event?.version !== version || event.payload !== JSON.stringify([after.userId, status]))
      report(`I7: order ${id} is ${status}, and no event tells it`);
  }
  if (told !== events.length) report("I7: an event tells of an order that has not changed");
  checkPlaces(changes, report);
}

/** What a consumer has made of the events of a topic: those that had an effect, in their order, by key. */
export type Effects = ReadonlyMap<string, readonly { readonly version: number; readonly payload: string }[]>;

/** What must hold when nothing is under way any more and all time limits have passed. */
export function checkEnd(
  order: OrderDatabase,
  inventory: InventoryDatabase,
  effects: { readonly order: Effects; readonly stock: Effects },
  history: History,
  report: Report,
): void {
  const orders = order.orders.rows;
  const reservations = inventory.reservations.rows;
  for (const [id, { answer }] of history.answers) {
    const kept = orders.get(id);
    if ("refusal" in answer) {
      if (kept !== undefined) report(`I4: ${id} was refused with ${answer.refusal.reason}, and is an order`);
    } else if (kept === undefined) report(`I3: order ${id} was acknowledged, and is not there`);
    else if (!sameLines(kept.lines, answer.order.lines))
      report(`I3: order ${id} has other lines than were acknowledged`);
  }
  for (const [id, status] of history.ends)
    if (orders.get(id)?.status !== status)
      report(`I5: ${id} was told to be ${status}, and is ${orders.get(id)?.status}`);
  for (const [id, reference] of history.payments)
    if (orders.get(id)?.paymentReference !== reference)
      report(`I4: ${id} was paid by ${reference}, and has ${orders.get(id)?.paymentReference}`);
  for (const [id, status] of history.directEnds) {
    const kept = reservations.get(id);
    // What was released before it was made is forgotten after a day.
    if (kept?.status !== status && !(status === "released" && kept === undefined))
      report(`I5: reservation ${id} was told to be ${status}, and is ${kept?.status}`);
  }
  for (const [id, delta] of history.adjustments)
    if (inventory.adjustments.rows.get(`adjust/${id}`)?.delta !== delta)
      report(`I4: adjustment ${id} was told to be of ${delta}, and is not`);
  for (const { id, status } of orders.values())
    if (status === "placed") report(`I6: order ${id} is placed, and its time is over`);
  for (const { id, status } of reservations.values()) {
    if (status === "held") report(`I6: reservation ${id} is held, and its time is over`);
    if (status === "confirmed" && !orders.has(id) && !history.direct.has(id))
      report(`I3: ${id} is sold, and there is no such order`);
  }
  for (const { product, stock } of inventory.products.rows.values())
    if (stock.held !== 0) report(`I6: of ${product.sku} ${stock.held} are held`);
  checkEffects(order.outbox.events.rows, effects.order, report);
  checkEffects(inventory.outbox.events.rows, effects.stock, report);
}

/** I7: events get the next places, once. */
function checkPlaces(changes: readonly RowChange[], report: Report): void {
  const placed: number[] = [];
  for (const { before, after } of rowsOf<OutboxRow>(changes, "outbox")) {
    if (before?.place !== undefined && after?.place !== before.place)
      report(`I7: the event at place ${before.place} has got place ${after?.place}`);
    if (before?.place === undefined && after?.place !== undefined) placed.push(after.place);
  }
  const [position] = rowsOf<number>(changes, "outbox position");
  const next = position?.before ?? 0;
  const isInOrder = placed.sort((one, other) => one - other).every((place, index) => place === next + index);
  if (!isInOrder || next + placed.length !== (position?.after ?? 0))
    report(`I7: the places ${placed.join(", ")} are given where ${next} is the next`);
}

/** I7: each event has had its effect once, those of one key in their order. */
function checkEffects(events: ReadonlyMap<string, OutboxRow>, effects: Effects, report: Report): void {
  const expected = Map.groupBy(events.values(), ({ key }) => key);
  for (const [key, all] of expected) {
    const told = all.toSorted((one, other) => one.version - other.version).map(inWords);
    const had = (effects.get(key) ?? []).map(inWords);
    if (told.join() !== had.join()) report(`I7: the events of ${key} are ${told}, and had the effects ${had}`);
  }
}

function inWords({ version, payload }: { readonly version: number; readonly payload: string }): string {
  return `${version}:${payload}`;
}

function rowsOf<R>(changes: readonly RowChange[], table: string): readonly Change<R>[] {
  return changes.filter((change) => change.table === table) as unknown as readonly Change<R>[];
}

type Line = { readonly sku: string; readonly quantity: number };

function sameLines(some: readonly Line[], others: readonly Line[]): boolean {
  return (
    some.length === others.length &&
    some.every(({ sku, quantity }, n) => sku === others[n]?.sku && quantity === others[n]?.quantity)
  );
}
