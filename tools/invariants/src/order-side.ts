import { checkPlaces, eachEvent, eventsKeptSince, PlacesOfKeys, violatedBy, widthWithPlaces } from "./events.ts";
import { Findings, type InvariantName } from "./finding.ts";
import { createIdTable, elsewhere, type IdTable, lineDigest, missing, type Part } from "./id-table.ts";
import { linesAt, type Side, type SideOptions, stateAt } from "./side.ts";
import type { Snapshot } from "./snapshot.ts";
import { Unnamed } from "./unnamed.ts";

/** The statuses of orders; 0 is none of them. */
export const orderStatuses = ["", "placed", "confirmed", "cancelled", "expired"] as const;

/** What is known of an order besides its status, which takes the lowest bits, as bits of its state. */
const bit = {
  /** It is to be settled since longer than may be. */
  overdue: 8,
  /** Its confirmation was begun. */
  confirming: 16,
  /** Its answer, its first event, its last one are young enough to be there. */
  answerDue: 32,
  firstDue: 64,
  lastDue: 128,
  hasLines: 256,
  hasAnswer: 512,
  hasFirst: 1024,
  hasLast: 2048,
  hasEndedTwice: 4096,
} as const;
const statusBits = 7;

/** The status of an order in a state. */
export const orderStatusOf = (state: number) => orderStatuses[state & statusBits] ?? "";

/** Whether an order in this state is to be settled since longer than may be, has its confirmation begun, has lines. */
export const isOverdue = (state: number) => (state & bit.overdue) !== 0;
export const isConfirming = (state: number) => (state & bit.confirming) !== 0;
export const hasLines = (state: number) => (state & bit.hasLines) !== 0;

/**
 * Reads the orders of a part, of `count` in all parts, and all that must be there of each in the same database; every table once, in the order in which
 * the engine is quickest, and no joins: what belongs together is brought together in an {@link IdTable}.
 */
export async function readOrders(snapshot: Snapshot, count: number, part: Part, options: SideOptions): Promise<Side> {
  const findings = new Findings();
  const table = createIdTable(count, widthWithPlaces, part);
  await readOwn(snapshot, table, findings, options);
  await readLines(snapshot, table, findings);
  await readAnswers(snapshot, table, findings);
  await readEvents(snapshot, table, findings);
  await judge(table).name(snapshot, { from: "orders", columns: "id" }, findings);
  if (part.index === 0) {
    await checkPlaces(snapshot, findings, "order-events-in-place", options.settled);
    if (options.settled) await checkNothingLeft(snapshot, findings, options.nowMs);
  }
  return { cells: table.cells, width: table.width, findings: findings.list };
}

async function readOwn(
  snapshot: Snapshot,
  table: IdTable,
  findings: Findings,
  { nowMs, overdueMs }: SideOptions,
): Promise<void> {
  const eventsSince = await eventsKeptSince(snapshot, nowMs);
  const [[oldest] = []] = await snapshot.rows("select min(at_ms) from idempotency_records");
  // Answers are forgotten after two days, the oldest first. Where there are none at all: one of today should be there.
  const answersSince = oldest ?? nowMs - 23 * 60 * 60_000;
  const bits = `
    ${bit.overdue} * (settle_at_ms < ${nowMs - overdueMs}) + ${bit.confirming} * coalesce(intent = 'confirm', 0)
    + ${bit.answerDue} * (created_at_ms > ${answersSince}) + ${bit.firstDue} * (created_at_ms > ${eventsSince})
    + ${bit.lastDue} * (updated_at_ms > ${eventsSince})`;
  let orders = 0;
  await snapshot.each({ from: "orders", columns: `id, status, ${bits}` }, ([id, status, known]) => {
    const at = table.add(id as string);
    if (at === elsewhere) return;
    orders += 1;
    const code = orderStatuses.indexOf(status as "placed");
    if (code < 1) findings.violated("ended-once", [`order ${id} is ${status}`]);
    table.cells[at + stateAt] = Math.max(0, code) | (known as number);
  });
  findings.looked("orders-match-reservations", orders);
  findings.looked("one-key-one-order", orders);
  findings.looked("ended-once", orders);
  findings.looked("orders-tell-changes", orders);
}

async function readLines(snapshot: Snapshot, table: IdTable, findings: Findings): Promise<void> {
  const columns = "order_id, position, sku, quantity, unit_price_minor_units";
  const { cells } = table;
  await snapshot.each({ from: "order_lines", columns }, (row) => {
    const [id, position, sku, quantity, price] = row as [string, number, string, number, number];
    const at = table.find(id);
    if (at === missing)
      findings.violated("orders-match-reservations", [`there are lines of order ${id}, and no such order`]);
    if (at < 0) return;
    mark(table, at, bit.hasLines);
    cells[at + linesAt] = (cells[at + linesAt] as number) + lineDigest(position, sku, quantity, price);
  });
}

/** Notes something of the order that is there. */
function mark({ cells }: IdTable, at: number, known: number): void {
  cells[at + stateAt] = (cells[at + stateAt] as number) | known;
}

async function readAnswers(snapshot: Snapshot, table: IdTable, findings: Findings): Promise<void> {
  const name = "one-key-one-order";
  let answers = 0;
  await snapshot.each({ from: "idempotency_records", columns: "id, error is not null" }, ([id, isError]) => {
    const at = table.find(id as string);
    if (at === elsewhere) return;
    answers += 1;
    if (at !== missing) mark(table, at, bit.hasAnswer);
    if (at === missing && !isError) findings.violated(name, [`the answer ${id} is an order, and there is none`]);
    if (at !== missing && isError) findings.violated(name, [`order ${id} was refused too`]);
  });
  findings.looked(name, answers);
}

async function readEvents(snapshot: Snapshot, table: IdTable, findings: Findings): Promise<void> {
  const name = "orders-tell-changes";
  const places = new PlacesOfKeys(table);
  let events = 0;
  // The end of the payload says the status.
  await eachEvent(snapshot, "order", "event_key, version, seq, substr(payload, -14)", (row) => {
    const [key, version, seq, payload] = row as [string, number, number | null, string];
    const at = table.find(key);
    if (at === elsewhere) return;
    events += 1;
    if (at === missing) return findings.violated(name, [`event ${version} of order ${key}: there is no such order`]);
    const misplaced = places.add(at, version, seq);
    if (misplaced !== undefined) findings.violated("order-events-in-place", [`order ${key}: ${misplaced}`]);
    const state = table.cells[at + stateAt] as number;
    if (version > 1) mark(table, at, state & bit.hasLast ? bit.hasEndedTwice : bit.hasLast);
    else mark(table, at, bit.hasFirst);
    const wrong = wrongEvent(version, payload, orderStatusOf(state));
    if (wrong !== undefined) findings.violated(name, [`order ${key} is ${orderStatusOf(state)}: ${wrong}`]);
  });
  findings.looked(name, events);
}

function wrongEvent(version: number, payload: string, status: string): string | undefined {
  if (version === 1) return payload.endsWith(',"placed"]') ? undefined : "event 1 does not say placed";
  if (version !== 2) return `event ${version} is none that an order has`;
  if (status === "placed") return "there is an event 2";
  return payload.endsWith(`,"${status}"]`) ? undefined : "event 2 has another status";
}

/** What is wrong with what there is of each order. */
function judge(table: IdTable): Unnamed {
  const unnamed = new Unnamed();
  for (const at of table.places()) {
    const state = table.cells[at + stateAt] as number;
    const has = (known: number) => (state & known) !== 0;
    const status = orderStatusOf(state);
    const violated = (name: InvariantName, wrong: string) =>
      unnamed.violated(name, table.keyAt(at), ([id]) => `order ${id} ${wrong}`);
    if (has(bit.answerDue) && !has(bit.hasAnswer)) violated("one-key-one-order", "has no answer");
    if (has(bit.firstDue) && !has(bit.hasFirst)) violated("orders-tell-changes", `is ${status}: event 1 is missing`);
    if (has(bit.hasEndedTwice)) violated("ended-once", `is ${status}, and has more than one end event`);
    if (status === "placed" || !has(bit.lastDue) || has(bit.hasLast)) continue;
    violated("orders-tell-changes", `is ${status}: event 2 is missing`);
    violated("ended-once", `is ${status}, and has no end event`);
  }
  return unnamed;
}

async function checkNothingLeft(snapshot: Snapshot, findings: Findings, nowMs: number): Promise<void> {
  const name = "nothing-left";
  const [[orders] = []] = await snapshot.rows("select count(*) from orders");
  findings.looked(name, Number(orders));
  await violatedBy(
    snapshot,
    findings,
    name,
    "concat('order ', id, ' is placed, and its time is over')",
    `from orders where status = 'placed' and (settle_at_ms <= ${nowMs} or expires_at_ms <= ${nowMs})`,
  );
}
