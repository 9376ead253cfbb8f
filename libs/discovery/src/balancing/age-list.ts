/** Something that has begun at a time, and is in at most one {@link AgeList}. */
export class Aged {
  /** When it began, in milliseconds. */
  since: number;
  /** Its neighbours, while it is in a list. For the list alone. */
  older: Aged | undefined = undefined;
  newer: Aged | undefined = undefined;

  constructor(since: number) {
    this.since = since;
  }
}

/** What is going on, by age: adding, removing and finding the oldest take the same short time however many there are. */
export class AgeList {
  #oldest: Aged | undefined;
  #newest: Aged | undefined;

  /** The one that began first. */
  get oldest(): Aged | undefined {
    return this.#oldest;
  }

  /** Adds one that is in no list, and began no earlier than all that are in this one. */
  add(item: Aged): void {
    item.older = this.#newest;
    item.newer = undefined;
    if (this.#newest === undefined) this.#oldest = item;
    else this.#newest.newer = item;
    this.#newest = item;
  }

  /** Removes one that is in this list. */
  remove(item: Aged): void {
    if (item.older === undefined) this.#oldest = item.newer;
    else item.older.newer = item.newer;
    if (item.newer === undefined) this.#newest = item.older;
    else item.newer.older = item.older;
    item.older = undefined;
    item.newer = undefined;
  }
}
