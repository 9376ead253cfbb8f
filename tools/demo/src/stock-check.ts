/** The pieces of one SKU. */
export interface Level {
  readonly available: bigint;
  readonly held: bigint;
  readonly sold: bigint;
}

/** Pieces by SKU; what has none is left out. */
export type Pieces = ReadonlyMap<string, bigint>;

/** Adds up pieces by SKU. */
export class Tally {
  readonly #pieces = new Map<string, bigint>();

  /** The sums so far. */
  get pieces(): Pieces {
    return this.#pieces;
  }

  /** Adds the pieces of `lines`. */
  add(lines: readonly { readonly sku: string; readonly quantity: number }[]): void {
    for (const { sku, quantity } of lines) this.#pieces.set(sku, (this.#pieces.get(sku) ?? 0n) + BigInt(quantity));
  }
}

/** What happened to the stock between two readings. */
export interface StockMovements {
  readonly before: ReadonlyMap<string, Level>;
  readonly after: ReadonlyMap<string, Level>;
  /** Added by the load. */
  readonly loaded: Pieces;
  /** In this run's confirmed orders. */
  readonly confirmed: Pieces;
  /** In this run's orders that are still placed. */
  readonly placed: Pieces;
}

/** What {@link checkStock} found. */
export interface StockCheck {
  /** One line for each figure that does not add up; none when all do. */
  readonly problems: readonly string[];
  /** Pieces held before that have come free meanwhile. */
  readonly expired: bigint;
  /** All pieces after, of all SKUs. */
  readonly after: Level;
}

const none: Level = { available: 0n, held: 0n, sold: 0n };

/**
 * Checks for each SKU that what there was and what was loaded is what there is (available + held + sold), that sold
 * grew by what was confirmed, and that held grew by what is still placed.
 *
 * Holds from before may end while the run lasts: their time runs out. So held may have grown by less, never by more
 * than was held before. Nothing else may change the stock of these SKUs between the readings.
 */
export function checkStock({ before, after, loaded, confirmed, placed }: StockMovements): StockCheck {
  const problems: string[] = [];
  const sum = { ...none };
  let expired = 0n;
  for (const [sku, now] of after) {
    const was = before.get(sku) ?? none;
    const expect = (what: string, expected: bigint, found: bigint) => {
      if (found !== expected) problems.push(`${sku}: ${what} should be ${expected} and is ${found}`);
    };
    expect("available + held + sold", total(was) + (loaded.get(sku) ?? 0n), total(now));
    expect("sold", was.sold + (confirmed.get(sku) ?? 0n), now.sold);
    const held = was.held + (placed.get(sku) ?? 0n);
    const ended = held - now.held;
    if (ended < 0n || ended > was.held) expect("held", held, now.held);
    else expired += ended;
    if (now.available < 0n) problems.push(`${sku}: available is ${now.available}: more was sold than there was`);
    sum.available += now.available;
    sum.held += now.held;
    sum.sold += now.sold;
  }
  for (const sku of loaded.keys()) if (!after.has(sku)) problems.push(`${sku}: has no stock, and was loaded`);
  return { problems, expired, after: sum };
}

/** Checks that the pieces are the same ones; one line for each SKU where they are not. */
export function comparePieces(what: string, expected: Pieces, found: Pieces): readonly string[] {
  return [...new Set([...expected.keys(), ...found.keys()])]
    .filter((sku) => (expected.get(sku) ?? 0n) !== (found.get(sku) ?? 0n))
    .map((sku) => `${sku}: ${what} should be ${expected.get(sku) ?? 0n} and is ${found.get(sku) ?? 0n}`);
}

function total({ available, held, sold }: Level): bigint {
  return available + held + sold;
}
