import { type Findings, type InvariantName, maxExamples } from "./finding.ts";
import type { IdTable } from "./id-table.ts";
import type { Row, Snapshot } from "./snapshot.ts";

/**
 * The time after which each change must have its event: older ones are deleted a day after they are published, from the first
 * place on. Places follow times, but for the moments that transactions take and by which clocks differ.
 */
export async function eventsKeptSince(snapshot: Snapshot, nowMs: number): Promise<number> {
  const [oldest] = await snapshot.rows("select seq, at_ms from outbox where seq is not null order by seq limit 1");
  // Nothing is published: then those of today cannot have been deleted.
  if (oldest === undefined) return nowMs - 23 * 60 * 60_000;
  const [seq, atMs] = oldest;
  return seq === 1 ? Number(atMs) - 1 : Number(atMs) + 60_000;
}

/**
 * Reads the events of a topic, those of a key in the order of their places or of their versions, whichever the engine is quick
 * with; on SQLite those without a place come last.
 */
export async function eachEvent(
  snapshot: Snapshot,
  topic: "order" | "stock",
  columns: string,
  onRow: (row: Row) => void,
): Promise<void> {
  const scan = { columns, mysqlOrder: "topic, event_key, version" };
  const isTopic = `topic = '${topic}'`;
  if (snapshot.engine === "mysql") return await snapshot.each({ ...scan, from: "outbox", where: isTopic }, onRow);
  const from = "outbox indexed by outbox_sequence";
  await snapshot.each({ ...scan, from, where: isTopic, sqliteOrder: "seq" }, onRow);
  await snapshot.each({ ...scan, from: "outbox not indexed", where: `${isTopic} and seq is null` }, onRow);
}

/** How many numbers an {@link IdTable} needs for {@link PlacesOfKeys}, of which the last four are its own. */
export const widthWithPlaces = 8;
const lastVersionAt = 4;
const lastPlaceAt = 6;

/** Whether the places of each key's events rise with their versions. */
export class PlacesOfKeys {
  readonly #cells: Int32Array;
  readonly #places: Float64Array;

  constructor({ cells }: IdTable) {
    this.#cells = cells;
    this.#places = new Float64Array(cells.buffer);
  }

  /** What is wrong with the place of the next event of the key that is at `at`, in words. Whatever has none must come last. */
  add(at: number, version: number, seq: number | null): string | undefined {
    const placeAt = (at + lastPlaceAt) / 2;
    const lastVersion = this.#cells[at + lastVersionAt] as number;
    const lastPlace = this.#places[placeAt] as number;
    const place = seq ?? Number.POSITIVE_INFINITY;
    this.#cells[at + lastVersionAt] = version;
    this.#places[placeAt] = place;
    if (lastVersion === 0 || version > lastVersion === place > lastPlace) return undefined;
    if (place === lastPlace && seq === null) return undefined;
    const told = (number: number) => (Number.isFinite(number) ? number : "none");
    const [one, other] = [`version ${version} has place ${told(place)}`, `version ${lastVersion} ${told(lastPlace)}`];
    return `${one}, and ${other}`;
  }
}

/** Whether the places of events are one sequence, from the first that is kept up to the one that is to be given next. */
export async function checkPlaces(
  snapshot: Snapshot,
  findings: Findings,
  name: InvariantName,
  settled: boolean,
): Promise<void> {
  const [counts] = await snapshot.rows(`
    select count(*), count(seq), min(seq), max(seq),
      (select count(*) from (select distinct seq from outbox where seq is not null) as places),
      (select next_seq from outbox_position where id = 1)
    from outbox`);
  const [events = 0, placed = 0, first = 0, last = 0, distinct = 0, next = 0] = (counts ?? []).map(Number);
  findings.looked(name, events);
  if (placed !== distinct || (placed > 0 && last - first + 1 !== placed)) {
    await violatedBy(
      snapshot,
      findings,
      name,
      "concat('place ', seq, ' comes after place ', place_before)",
      `from (select seq, lag(seq) over (order by seq) as place_before from outbox where seq is not null) as places
       where seq <> place_before + 1`,
    );
  }
  if (placed > 0 && last >= next)
    findings.violated(name, [`place ${last} is not before ${next}, the next one to be given`]);
  if (placed > 0 && first < 1) findings.violated(name, [`place ${first} is before the first one`]);
  if (settled && placed < events)
    await violatedBy(
      snapshot,
      findings,
      name,
      "concat(topic, '/', event_key, '/', version, ' has no place')",
      "from outbox where seq is null",
    );
}

/** Every row that `from` selects from is a violation, which `example` tells: an expression of SQL. */
export async function violatedBy(
  snapshot: Snapshot,
  findings: Findings,
  name: InvariantName,
  example: string,
  from: string,
): Promise<void> {
  const found = await snapshot.rows(`select ${example}, count(*) over () ${from} limit ${maxExamples}`);
  findings.violated(
    name,
    found.map(([words]) => String(words)),
    Number(found[0]?.[1] ?? 0),
  );
}
