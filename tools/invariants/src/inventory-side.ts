import { checkPlaces, violatedBy } from "./events.ts";
import { Findings } from "./finding.ts";
import { createIdTable, elsewhere, lineDigest, type Part } from "./id-table.ts";
import { linesAt, type Side, type SideOptions, stateAt } from "./side.ts";
import type { Snapshot } from "./snapshot.ts";
import type { StockSums } from "./stock-sums.ts";

/** The statuses of reservations; 0 is none of them. A fence is one that was released before it was made. */
const statuses = ["", "held", "confirmed", "released", "expired", "fenced"] as const;

/** The status of a reservation in a state. */
export const reservationStatusOf = (state: number) => statuses[state] ?? "";

/** Reads the reservations of a part, of `count` in all parts, and adds their lines up; with the last part, all that is about stock is judged. */
export async function readReservations(
  snapshot: Snapshot,
  count: number,
  part: Part,
  options: SideOptions,
  sums: StockSums,
): Promise<Side> {
  const findings = new Findings();
  const table = createIdTable(count, 4, part);
  const { cells, width } = table;
  let reservations = 0;
  await snapshot.each({ from: "reservations", columns: "id, status" }, ([id, status]) => {
    const at = table.add(id as string);
    if (at === elsewhere) return;
    reservations += 1;
    const code = statuses.indexOf(status as "held");
    if (code < 1) findings.violated("ended-once", [`reservation ${id} is ${status}`]);
    cells[at + stateAt] = Math.max(0, code);
  });
  findings.looked("ended-once", reservations);
  findings.looked("sales-have-orders", reservations);
  const columns = "reservation_id, position, sku, quantity, unit_price_minor_units";
  await snapshot.each({ from: "reservation_lines", columns }, (row) => {
    const [id, position, sku, quantity, price] = row as [string, number, string, number, number];
    const at = table.find(id);
    if (at < 0) return;
    cells[at + linesAt] = (cells[at + linesAt] as number) + lineDigest(position, sku, quantity, price);
    sums.addLine(sku, quantity, reservationStatusOf(cells[at + stateAt] as number));
  });
  if (part.index === part.count - 1) {
    findings.add(await sums.judge());
    await checkPlaces(snapshot, findings, "inventory-events-in-place", options.settled);
    await checkHolds(snapshot, findings, options);
  }
  return { cells, width, findings: findings.list };
}

async function checkHolds(
  snapshot: Snapshot,
  findings: Findings,
  { settled, nowMs, overdueMs }: SideOptions,
): Promise<void> {
  await violatedBy(
    snapshot,
    findings,
    "ended-once",
    "concat('reservation ', id, ' is held, and its time was over at ', expires_at_ms)",
    `from reservations where status = 'held' and expires_at_ms < ${nowMs - overdueMs}`,
  );
  if (!settled) return;
  const name = "nothing-left";
  const [[products, reservations] = []] = await snapshot.rows(
    "select (select count(*) from products), (select count(*) from reservations)",
  );
  findings.looked(name, Number(products) + Number(reservations));
  const held = "concat('of ', sku, ' ', held, ' are held')";
  await violatedBy(snapshot, findings, name, held, "from products where held <> 0");
  const reserved = "concat('reservation ', id, ' is held')";
  await violatedBy(snapshot, findings, name, reserved, "from reservations where status = 'held'");
}
