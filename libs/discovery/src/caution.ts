import type { Instance } from "./registry.ts";

/** What to tell now, and when to ask again. */
export interface Belief {
  readonly instances: readonly Instance[];
  /** When time alone changes the belief; undefined when it does not. */
  readonly until: number | undefined;
}

/**
 * Decides which of a registry's answers about one service to believe. Pure: the caller says what time it is.
 *
 * Whoever is new in an answer is believed at once; only that someone is gone can be doubted. States:
 *
 * - *unasked*, until the first answer, which is believed whatever it is. → trusting
 * - *trusting*: exactly the answer is told. One that is less than half as large as the largest of the last `holdMs`
 *   → doubting
 * - *doubting*: the answer is told together with all who left within the last `holdMs`. When it is as large again as the
 *   largest of that time, or nobody is left to hold → trusting
 *
 * So a registry that loses its content all at once, or piece by piece, and gets it back piece by piece, within `holdMs`
 * takes nobody's callees away; and nobody who left is told for longer than `holdMs`.
 *
 * What counts is addresses: an instance that came back under a new id at its address has not left. Of several at one
 * address the one that started last is told, for they cannot all be there.
 */
export class Caution {
  readonly #holdMs: number;
  /** The latest answer, by address. */
  #answer: ReadonlyMap<string, Instance> | undefined;
  /** Who is not in it but was within the last `holdMs`, by address; the earliest to leave first. */
  readonly #left = new Map<string, { readonly instance: Instance; readonly at: number }>();
  /** Sizes of earlier answers that are no older than `holdMs`: each larger than those after it, which it outshines. */
  readonly #sizes: { readonly size: number; readonly until: number }[] = [];
  #doubting = false;

  constructor(holdMs: number) {
    this.#holdMs = holdMs;
  }

  /** Takes an answer. */
  hear(answer: readonly Instance[], now: number): Belief {
    const before = this.#answer;
    this.#answer = byAddress(answer);
    if (before !== undefined) {
      while ((this.#sizes.at(-1)?.size ?? Number.POSITIVE_INFINITY) <= before.size) this.#sizes.pop();
      this.#sizes.push({ size: before.size, until: now });
      for (const [address, instance] of before)
        if (!this.#answer.has(address)) this.#left.set(address, { instance, at: now });
      for (const address of this.#answer.keys()) this.#left.delete(address);
    }
    return this.#belief(this.#answer, now);
  }

  /** What to believe when no answer has come meanwhile. Undefined before the first. */
  at(now: number): Belief | undefined {
    return this.#answer && this.#belief(this.#answer, now);
  }

  #belief(answer: ReadonlyMap<string, Instance>, now: number): Belief {
    const oldest = now - this.#holdMs;
    for (const [address, { at }] of this.#left) {
      if (at > oldest) break;
      this.#left.delete(address);
    }
    while ((this.#sizes[0]?.until ?? Number.POSITIVE_INFINITY) <= oldest) this.#sizes.shift();
    const instances = [...answer.values()];
    const [largest] = this.#sizes;
    const [firstToForget] = this.#left.values();
    const enough = (largest?.size ?? 0) / (this.#doubting ? 1 : 2);
    this.#doubting = answer.size < enough && firstToForget !== undefined;
    if (!this.#doubting || !largest || !firstToForget) return { instances, until: undefined };
    for (const { instance } of this.#left.values()) instances.push(instance);
    return { instances, until: Math.min(largest.until, firstToForget.at) + this.#holdMs };
  }
}

function byAddress(instances: readonly Instance[]): Map<string, Instance> {
  const found = new Map<string, Instance>();
  for (const instance of instances) {
    const other = found.get(instance.address);
    if (other === undefined || other.startedAt <= instance.startedAt) found.set(instance.address, instance);
  }
  return found;
}
