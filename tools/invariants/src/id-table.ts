/** What {@link IdTable.find} answers for an id that is not in the table. */
export const missing = -1;

/** What it answers for an id that this table is not for. */
export const elsewhere = -2;

/** One of so many parts that ids are divided into, so that a table of a part stays small: `index` is from 0. */
export interface Part {
  readonly index: number;
  readonly count: number;
}

/** A block of 32-bit numbers, all 0, that threads share. */
export type SharedCells = Int32Array<SharedArrayBuffer>;

/**
 * Ids, and what is known of each: so many numbers of 32 bits, side by side, since most of the time goes into getting to them.
 * The first two are the key of the id, 63 bits of a hash of it: of ten million ids, two are taken for one with a chance
 * of 1 in 200,000. The others are the caller's. Threads can share it.
 */
export class IdTable {
  /** The numbers of all ids; those of one begin where {@link find} says. */
  readonly cells: SharedCells;
  /** How many numbers an id has, a power of two; {@link cells} has so many for each place. */
  readonly width: number;
  readonly #part: Part;

  /** A table of these numbers; {@link createIdTable} makes an empty one. */
  constructor(cells: SharedCells, width: number, part: Part) {
    this.cells = cells;
    this.width = width;
    this.#part = part;
  }

  /** Where an id is; {@link missing} or {@link elsewhere} where it has no place. */
  find(id: string): number {
    const at = this.#placeOf(id);
    return at >= 0 && this.cells[at + 1] === 0 ? missing : at;
  }

  /** Gives an id a place, unless it has one, and answers it; {@link elsewhere} for one that is of another part. */
  add(id: string): number {
    const at = this.#placeOf(id);
    if (at >= 0) {
      this.cells[at] = high;
      this.cells[at + 1] = low;
    }
    return at;
  }

  /** Where the id is that has this place in another table of the same part; {@link missing} where it has none. */
  findIn(other: IdTable, place: number): number {
    const at = this.#search(other.cells[place] as number, other.cells[place + 1] as number);
    return this.cells[at + 1] === 0 ? missing : at;
  }

  /** The key of the id that is at a place, as a text: see {@link keyOfId}. */
  keyAt(place: number): string {
    return `${this.cells[place]}:${this.cells[place + 1]}`;
  }

  /** The places of all ids. */
  *places(): Generator<number> {
    for (let at = 0; at < this.cells.length; at += this.width) if (this.cells[at + 1] !== 0) yield at;
  }

  #placeOf(id: string): number {
    hash(id);
    const { index, count } = this.#part;
    return count > 1 && (high >>> 0) % count !== index ? elsewhere : this.#search(high, low);
  }

  /** Where it is, or would be. */
  #search(wantedHigh: number, wantedLow: number): number {
    const { cells, width } = this;
    const end = cells.length - 1;
    let at = ((wantedLow >>> 1) * width) & end;
    while (cells[at + 1] !== 0 && (cells[at + 1] !== wantedLow || cells[at] !== wantedHigh)) at = (at + width) & end;
    return at;
  }
}

/** An empty table for up to `ids` ids of all parts together, which are about as many in each; at least half of it stays free. */
export function createIdTable(ids: number, width: number, part: Part = { index: 0, count: 1 }): IdTable {
  const most = part.count === 1 ? ids : (ids / part.count) * 1.1 + 1_000;
  const length = width * 2 ** Math.ceil(Math.log2(2 * most + 2));
  return new IdTable(new Int32Array(new SharedArrayBuffer(length * 4)), width, part);
}

/** What a table keeps of an id, as a text. */
export function keyOfId(id: string): string {
  hash(id);
  return `${high}:${low}`;
}

/** What {@link hash} has made: two numbers, without an object for each of millions of ids. */
let high = 0;
let low = 0;

/** FNV-1a over the text, in two lanes of which each takes in the other, and the finalizer of MurmurHash3. */
function hash(text: string): void {
  let one = 0x811c9dc5;
  let other = 0x3ade68b1;
  for (let index = 0; index < text.length; index += 1) {
    one = Math.imul(one ^ text.charCodeAt(index), 0x01000193);
    other = Math.imul(other ^ one ^ (one >>> 15), 0x01000193);
  }
  high = mixed(one);
  low = mixed(other) | 1;
}

/** A digest of 32 bits of a line of an order or a reservation; those of all its lines are added up. */
export function lineDigest(position: number, sku: string, quantity: number, price: number): number {
  hash(sku);
  const numbers = Math.imul(position + 1, 0x9e3779b1) ^ Math.imul(quantity, 0x85ebca6b) ^ Math.imul(price, 0xc2b2ae35);
  return mixed(high ^ mixed(numbers)) ^ mixed(Math.trunc(price / 2 ** 32) + quantity);
}

function mixed(bits: number): number {
  let value = bits ^ (bits >>> 16);
  value = Math.imul(value, 0x85ebca6b);
  value ^= value >>> 13;
  value = Math.imul(value, 0xc2b2ae35);
  return value ^ (value >>> 16);
}
