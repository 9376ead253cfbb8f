/** What must hold, by the name of each invariant, in the order in which they are told. */
export const invariants = {
  "stock-adds-up": "per SKU: adjustments = available + held + sold, as its reservations say",
  "stock-not-negative": "available, held and sold are 0 or more",
  "orders-match-reservations": "each order has its reservation: same lines, same end",
  "sales-have-orders": "each confirmed reservation is that of an order",
  "one-key-one-order": "each idempotency key has an order or an error, never both or neither",
  "ended-once": "each hold and each order ends once, and no hold long after its time",
  "nothing-left": "settled: no stock is held, and no order is placed whose time has passed",
  "orders-tell-changes": "each order has event 1, and 2 when it has ended, with its status",
  "stock-tells-changes": "the events of each SKU are all up to its version, without gaps",
  "order-events-in-place": "order: places are unique, without gaps, and rise with the version",
  "inventory-events-in-place": "inventory: places are unique, without gaps, and rise with the version",
} as const;

/** The name of an invariant. */
export type InvariantName = keyof typeof invariants;

/** How many violations of an invariant are told in words. */
export const maxExamples = 5;

/** What was found of one invariant. */
export interface Finding {
  readonly name: InvariantName;
  /** What must hold. */
  readonly says: string;
  /** How many rows were looked at. */
  readonly rows: number;
  readonly violations: number;
  /** Some of the violations, in words. */
  readonly examples: readonly string[];
}

/** Gathers what is found of each invariant that is looked at. */
export class Findings {
  readonly #found = new Map<InvariantName, { rows: number; violations: number; examples: string[] }>();

  /** So many more rows were looked at. */
  looked(name: InvariantName, rows: number): void {
    this.#of(name).rows += rows;
  }

  /** Something does not hold, `count` times, of which these are some. */
  violated(name: InvariantName, examples: readonly string[], count = examples.length): void {
    const found = this.#of(name);
    found.violations += count;
    found.examples.push(...examples.slice(0, maxExamples - found.examples.length));
  }

  /** Takes over what was found elsewhere. */
  add(findings: readonly Finding[]): void {
    for (const { name, rows, violations, examples } of findings) {
      this.looked(name, rows);
      this.violated(name, examples, violations);
    }
  }

  /** What was found of each so far. */
  get list(): readonly Finding[] {
    const names = Object.keys(invariants) as InvariantName[];
    return names.flatMap((name) => {
      const found = this.#found.get(name);
      return found === undefined ? [] : [{ name, says: invariants[name], ...found }];
    });
  }

  #of(name: InvariantName) {
    const found = this.#found.get(name) ?? { rows: 0, violations: 0, examples: [] };
    this.#found.set(name, found);
    return found;
  }
}
