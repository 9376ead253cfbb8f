import type { OrderChange, OrderChanges } from "../domain/ports.ts";

/** Changes that a test makes, and the end of a watch when it says so. */
export class FakeChanges implements OrderChanges {
  readonly #changes: OrderChange[] = [];
  #changed = Promise.withResolvers<void>();

  publish({ id, userId, status }: Pick<OrderChange, "id" | "userId" | "status">): void {
    this.#changes.push({ id, userId, status, place: BigInt(this.#changes.length + 1) });
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  async position(): Promise<bigint> {
    return BigInt(this.#changes.length);
  }

  async *read(after: bigint, signal: AbortSignal): AsyncGenerator<readonly OrderChange[], void, undefined> {
    const aborted = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    for (let at = Number(after); !signal.aborted; ) {
      const changed = this.#changed.promise;
      const news = this.#changes.slice(at);
      at += news.length;
      if (news.length > 0) yield news;
      else await Promise.race([changed, aborted]);
    }
  }
}
