/** What is due at times of its own: the earliest is found first, of several for one time the one added first. */
export class Timetable<T> {
  readonly #items: { readonly at: number; readonly order: number; readonly what: T }[] = [];
  #added = 0;

  /** When the earliest is due; infinity when nothing is. */
  get nextAt(): number {
    return this.#items[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  add(at: number, what: T): void {
    const items = this.#items;
    const item = { at, order: this.#added, what };
    this.#added += 1;
    let place = items.length;
    items.push(item);
    while (place > 0) {
      const parent = (place - 1) >>> 1;
      const above = items[parent];
      if (above === undefined || !isBefore(item, above)) break;
      items[place] = above;
      place = parent;
    }
    items[place] = item;
  }

  /** Takes out the earliest. Throws an `Error` when nothing is due. */
  take(): T {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (first === undefined || last === undefined) throw new Error("nothing is due");
    if (items.length === 0) return first.what;
    let place = 0;
    for (;;) {
      const left = 2 * place + 1;
      const a = items[left];
      if (a === undefined) break;
      const b = items[left + 1];
      const child = b !== undefined && isBefore(b, a) ? left + 1 : left;
      const below = items[child] as typeof a;
      if (!isBefore(below, last)) break;
      items[place] = below;
      place = child;
    }
    items[place] = last;
    return first.what;
  }
}

/** What is due the same time after it was added: the same as a {@link Timetable}, but faster. */
export class Lane<T> {
  readonly #delayMs: number;
  #times: number[] = [];
  #items: T[] = [];
  #taken = 0;

  constructor(delayMs: number) {
    this.#delayMs = delayMs;
  }

  /** When the earliest is due; infinity when nothing is. */
  get nextAt(): number {
    return this.#taken === this.#times.length ? Number.POSITIVE_INFINITY : (this.#times[this.#taken] as number);
  }

  add(now: number, what: T): void {
    this.#times.push(now + this.#delayMs);
    this.#items.push(what);
  }

  /** Takes out the earliest. Throws an `Error` when nothing is due. */
  take(): T {
    if (this.#taken === this.#items.length) throw new Error("nothing is due");
    const what = this.#items[this.#taken] as T;
    this.#taken += 1;
    // Those taken are dropped now and then, many at a time.
    if (this.#taken > 10_000) {
      this.#times = this.#times.slice(this.#taken);
      this.#items = this.#items.slice(this.#taken);
      this.#taken = 0;
    }
    return what;
  }
}

function isBefore(a: { at: number; order: number }, b: { at: number; order: number }): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
