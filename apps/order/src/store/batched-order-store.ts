import { Batcher, type BatchObserver, splitFailedBatches } from "@shoal/concurrency";
import type { FirstAnswer, OrderStore } from "../domain/ports.ts";
import type { AnswerStore } from "./sql-order-store.ts";

/** Requests that are looked up in one statement, and orders that are placed in one transaction. */
const maxBatch = 200;

/** Lines of the orders of one transaction. */
const maxLines = 1_000;

/** A store for many answers at once as one for each. */
export function unbatched<S extends AnswerStore>(store: S): Omit<S, keyof AnswerStore> & Answering {
  const answer = (first: FirstAnswer) => store.answer([first]);
  return {
    ...store,
    findFirst: async (id) => (await store.findFirst([id])).get(id),
    insert: (order) => answer({ order }),
    refuse: (refusal) => answer({ refusal }),
  };
}

type Answering = Pick<OrderStore, "findFirst" | "insert" | "refuse">;

/**
 * A store for many answers at once as one for each, which does together what comes at the same time: a transaction that
 * commits many orders costs little more than one that commits one. `close` waits for what is at work; `observe` sees the
 * batches of each kind.
 */
export function batched<S extends AnswerStore>(
  store: S,
  observe?: (name: string) => BatchObserver | undefined,
): Omit<S, keyof AnswerStore> & Answering & { close(): Promise<void> } {
  const finder = new Batcher<string, FirstAnswer | undefined>({
    run: async (ids) => {
      const found = await store.findFirst([...new Set(ids)]);
      return ids.map((id) => ({ value: found.get(id) }));
    },
    maxItems: maxBatch,
    observer: observe?.("find first answers"),
  });
  const writer = new Batcher<FirstAnswer, boolean>({
    run: splitFailedBatches(async (answers) => {
      // Of the same request twice the first one is first.
      const first = new Map<string, FirstAnswer>();
      for (const answer of answers) if (!first.has(idOf(answer))) first.set(idOf(answer), answer);
      const isKept = await store.answer([...first.values()]);
      if (!isKept && first.size > 1) throw new AnsweredError("one of them was answered before");
      return answers.map((answer) => ({ value: isKept && first.get(idOf(answer)) === answer }));
    }),
    maxItems: maxBatch,
    observer: observe?.("keep first answers"),
    maxWeight: maxLines,
    weigh: (answer) => ("order" in answer ? answer.order.lines.length : 1),
  });
  return {
    ...store,
    findFirst: (id) => finder.submit(id),
    insert: (order) => writer.submit({ order }),
    refuse: (refusal) => writer.submit({ refusal }),
    close: async () => {
      await Promise.all([finder.close(), writer.close()]);
    },
  };
}

/** Some of a batch have been answered already, and nobody knows which. */
class AnsweredError extends Error {
  override readonly name = "AnsweredError";
}

function idOf(answer: FirstAnswer): string {
  return "order" in answer ? answer.order.id : answer.refusal.id;
}
