import { eachEvent, PlacesOfKeys, violatedBy, widthWithPlaces } from "./events.ts";
import { type Finding, Findings } from "./finding.ts";
import { createIdTable, type IdTable } from "./id-table.ts";
import type { Snapshot } from "./snapshot.ts";
import { Unnamed } from "./unnamed.ts";

/** Where the version of a SKU's stock, and how many events of it there are, stand in the table of SKUs. */
const versionAt = 2;
const eventsAt = 3;

/** The columns of a SKU's levels. */
const levels = "sku, available, held, sold, stock_version";

/** What must be 0 of each SKU when all is added up: its levels less what has made them. */
interface Differences {
  /** Available, held and sold pieces, less those of its adjustments. */
  readonly pieces: Float64Array;
  /** Held ones, less those in the lines of reservations that are held. */
  readonly held: Float64Array;
  readonly sold: Float64Array;
}

/** Adds up, SKU by SKU, what the levels of stock are made of. */
export class StockSums {
  readonly #snapshot: Snapshot;
  readonly #table: IdTable;
  readonly #findings = new Findings();
  readonly #left: Differences;

  private constructor(snapshot: Snapshot, table: IdTable) {
    this.#snapshot = snapshot;
    this.#table = table;
    const numbers = () => new Float64Array(table.cells.length / table.width);
    this.#left = { pieces: numbers(), held: numbers(), sold: numbers() };
  }

  /** Begins with the levels as they stand, and what they were adjusted by. */
  static async read(snapshot: Snapshot): Promise<StockSums> {
    const [[products] = []] = await snapshot.rows("select count(*) from products");
    const sums = new StockSums(snapshot, createIdTable(Number(products), widthWithPlaces));
    await sums.#readLevels(Number(products));
    return sums;
  }

  async #readLevels(products: number): Promise<void> {
    const { pieces, held, sold } = this.#left;
    await this.#snapshot.each({ from: "products", columns: levels }, (row) => {
      const [sku, available, heldNow, soldNow, version] = row as [string, number, number, number, number];
      const at = this.#table.add(sku);
      const slot = at / this.#table.width;
      pieces[slot] = available + heldNow + soldNow;
      held[slot] = heldNow;
      sold[slot] = soldNow;
      this.#table.cells[at + versionAt] = version;
    });
    let adjustments = 0;
    await this.#snapshot.each({ from: "adjustments", columns: "sku, delta" }, ([sku, delta]) => {
      adjustments += 1;
      this.#add(pieces, sku as string, -(delta as number));
    });
    this.#findings.looked("stock-adds-up", products + adjustments);
    this.#findings.looked("stock-not-negative", products);
    const example = "concat(sku, ': available ', available, ', held ', held, ', sold ', sold)";
    const from = "from products where available < 0 or held < 0 or sold < 0";
    await violatedBy(this.#snapshot, this.#findings, "stock-not-negative", example, from);
  }

  /** Adds a line of a reservation in this status. */
  addLine(sku: string, quantity: number, status: string): void {
    this.#findings.looked("stock-adds-up", 1);
    if (status === "held") this.#add(this.#left.held, sku, -quantity);
    else this.#add(this.#left.sold, sku, status === "confirmed" ? -quantity : 0);
  }

  #add(left: Float64Array, sku: string, pieces: number): void {
    const slot = this.#table.find(sku) / this.#table.width;
    if (slot < 0) this.#findings.violated("stock-adds-up", [`${sku}: there is no such product`]);
    else left[slot] = (left[slot] as number) + pieces;
  }

  /** What is wrong with the stock, when all lines have been added. */
  async judge(): Promise<readonly Finding[]> {
    const unnamed = new Unnamed();
    const { pieces, held, sold } = this.#left;
    for (const at of this.#table.places()) {
      const slot = at / this.#table.width;
      const [piecesLeft, heldLeft, soldLeft] = [pieces[slot] ?? 0, held[slot] ?? 0, sold[slot] ?? 0];
      if (piecesLeft === 0 && heldLeft === 0 && soldLeft === 0) continue;
      unnamed.violated("stock-adds-up", this.#table.keyAt(at), (row) => {
        const [sku, available, heldNow, soldNow] = row as [string, number, number, number];
        const adjusted = available + heldNow + soldNow - piecesLeft;
        const reserved = `hold ${heldNow - heldLeft} and sold ${soldNow - soldLeft}`;
        const levels = `available ${available}, held ${heldNow}, sold ${soldNow}`;
        return `${sku}: ${levels}; adjusted by ${adjusted}, reservations ${reserved}`;
      });
    }
    await this.#readEvents(unnamed);
    await unnamed.name(this.#snapshot, { from: "products", columns: levels }, this.#findings);
    return this.#findings.list;
  }

  /** Whether each SKU has told all changes of its levels since the first that is kept, and no others. */
  async #readEvents(unnamed: Unnamed): Promise<void> {
    const name = "stock-tells-changes";
    const table = this.#table;
    const { cells, width } = table;
    const places = new PlacesOfKeys(table);
    const first = new Int32Array(cells.length / width);
    const last = new Int32Array(cells.length / width);
    let events = 0;
    await eachEvent(this.#snapshot, "stock", "event_key, version, seq", (row) => {
      const [key, version, seq] = row as [string, number, number | null];
      events += 1;
      const at = table.find(key);
      if (at < 0) return this.#findings.violated(name, [`${key}: there is no such product`]);
      const misplaced = places.add(at, version, seq);
      if (misplaced !== undefined)
        this.#findings.violated("inventory-events-in-place", [`stock of ${key}: ${misplaced}`]);
      const slot = at / width;
      const before = cells[at + eventsAt] as number;
      cells[at + eventsAt] = before + 1;
      first[slot] = before === 0 ? version : Math.min(first[slot] as number, version);
      last[slot] = Math.max(last[slot] as number, version);
    });
    this.#findings.looked(name, events);
    for (const at of table.places()) {
      const [count, from, to] = [cells[at + eventsAt], first[at / width], last[at / width]] as [number, number, number];
      if (count === 0 || (to === cells[at + versionAt] && count === to - from + 1)) continue;
      unnamed.violated(name, table.keyAt(at), ([sku, , , , version]) => {
        return `${sku}: ${count} events from ${from} to ${to}, and its version is ${version}`;
      });
    }
  }
}
