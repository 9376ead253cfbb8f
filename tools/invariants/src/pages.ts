/** Rows of one page: as many as cost little memory, and make the cost of a statement small. */
const pageSize = 5_000;

/** Reads rows in the order of their ids, of which it has one page at a time. */
export class Pages<R extends { readonly id: string }> {
  readonly #readPage: (after: string, limit: number) => Promise<readonly R[]>;
  #page: readonly R[] = [];
  #at = 0;
  #isLast = false;

  constructor(readPage: (after: string, limit: number) => Promise<readonly R[]>) {
    this.#readPage = readPage;
  }

  /** Whether the next page is to be read before there is a {@link current} row. */
  get isPageDue(): boolean {
    return this.#at >= this.#page.length && !this.#isLast;
  }

  /** The row that it is at; none at the end. */
  get current(): R | undefined {
    return this.#page[this.#at];
  }

  /** Goes to the next row. */
  advance(): void {
    this.#at += 1;
  }

  /** Reads the next page. */
  async read(): Promise<void> {
    this.#page = await this.#readPage(this.#page.at(-1)?.id ?? "", pageSize);
    this.#at = 0;
    this.#isLast = this.#page.length < pageSize;
  }

  /** Whether it is at the row of an id. */
  isAt(id: string): boolean {
    return this.current?.id === id;
  }

  /** Goes on to the row of an id, or the first one after where there is none. */
  async goTo(id: string): Promise<void> {
    while (true) {
      if (this.isPageDue) await this.read();
      const { current } = this;
      if (current === undefined || current.id >= id) return;
      this.advance();
    }
  }
}
