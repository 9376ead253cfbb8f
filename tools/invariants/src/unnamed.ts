import { type Findings, type InvariantName, maxExamples } from "./finding.ts";
import { keyOfId } from "./id-table.ts";
import type { Row, Scan, Snapshot } from "./snapshot.ts";

/** Violations of which only the key of the id is known, until all are read once more for those that are told in words. */
export class Unnamed {
  readonly #counts = new Map<InvariantName, number>();
  readonly #examples = new Map<string, { readonly name: InvariantName; readonly words: (row: Row) => string }[]>();
  readonly #told = new Map<InvariantName, number>();

  /** What has the key violates an invariant, as `words` tells of its row. */
  violated(name: InvariantName, key: string, words: (row: Row) => string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    const told = this.#told.get(name) ?? 0;
    if (told === maxExamples) return;
    this.#told.set(name, told + 1);
    this.#examples.set(key, [...(this.#examples.get(key) ?? []), { name, words }]);
  }

  /** Tells `findings` all of them; `scan` reads the rows, of which the first column is the id. */
  async name(snapshot: Snapshot, scan: Scan, findings: Findings): Promise<void> {
    if (this.#counts.size === 0) return;
    await snapshot.each(scan, (row) => {
      for (const { name, words } of this.#examples.get(keyOfId(row[0] as string)) ?? [])
        findings.violated(name, [words(row)], 0);
    });
    for (const [name, count] of this.#counts) findings.violated(name, [], count);
  }
}
