import { eventIdOf, type OutboxEvent } from "@shoal/storage";
import type { Session, SessionTransaction } from "./session.ts";
import { Table } from "./table.ts";

/** An event, and its place once it is published. */
export interface OutboxRow extends OutboxEvent {
  readonly place: number | undefined;
}

/** An outbox like that of the storage library, in memory. */
export class MemoryOutbox {
  readonly events = new Table<OutboxRow>("outbox");
  /** One row: the place of the next event. */
  readonly position = new Table<number>("outbox position");

  constructor() {
    this.position.write(this, "1", 1);
    this.position.commit(this, 0);
  }

  /** Writes events down in the transaction of what they tell. Throws a `DuplicateKeyError` where one is there. */
  append(tx: SessionTransaction, events: readonly OutboxEvent[]): Promise<void> {
    return tx.statement(`insert ${events.length} events`, async (rows) => {
      for (const event of events) await rows.insert(this.events, eventIdOf(event), { ...event, place: undefined });
    });
  }

  /** Gives the events that are committed and have no place the next ones; answers how many. */
  async publish(session: Session): Promise<number> {
    const isUnpublished = ({ place }: OutboxRow) => place === undefined;
    const waiting = await session.statement("find events without a place", (tx) => tx.scan(this.events, isUnpublished));
    if (waiting.length === 0) return 0;
    return await session.transaction(async (tx) => {
      const [next = 1] = await tx.statement("lock the position", (rows) => rows.lock(this.position, ["1"]));
      const found = await tx.statement("find events without a place", (rows) => rows.scan(this.events, isUnpublished));
      const events = found.toSorted((one, other) => one.atMs - other.atMs);
      // The versions of a key in their order, whatever the clocks said.
      const inOrder = Map.groupBy(events, ({ topic, key }) => `${topic}/${key}`);
      for (const versions of inOrder.values()) versions.sort((one, other) => other.version - one.version);
      const placed = events.map((event) => inOrder.get(`${event.topic}/${event.key}`)?.pop() ?? event);
      await tx.statement(`publish ${placed.length} events`, async (rows) => {
        for (const [index, event] of placed.entries())
          await rows.update(this.events, eventIdOf(event), (row) => ({ ...row, place: next + index }));
        await rows.update(this.position, "1", () => next + placed.length);
      });
      return placed.length;
    });
  }

  /** Up to `limit` published events after a place, in order. */
  read(session: Session, after: number, limit: number): Promise<readonly OutboxRow[]> {
    return session.statement(`read events after ${after}`, (tx) =>
      tx
        .scan(this.events, ({ place }) => place !== undefined && place > after)
        .sort((one, other) => (one.place ?? 0) - (other.place ?? 0))
        .slice(0, limit),
    );
  }
}
