import type { Database } from "../database.ts";
import { OutboxFeed, type OutboxFeedOptions } from "./feed.ts";
import type { OutboxTables } from "./outbox.ts";
import { OutboxRelay, type OutboxRelayOptions } from "./relay.ts";

/** How an outbox works: its relay and its feed. */
export interface OutboxOptions
  extends Omit<OutboxRelayOptions, "onPublished">,
    Pick<OutboxFeedOptions, "pollMs" | "keep" | "pageSize"> {}

/** The outbox of a service: what publishes its events, and what reads them. */
export interface Outbox<S extends OutboxTables> {
  readonly feed: OutboxFeed<S>;
  /** A transaction was committed that may have written events. */
  readonly nudge: () => void;
  /** Ends all readers, and publishes nothing more. Comes before the database is closed. May be called again. */
  close(): Promise<void>;
}

/** Begins to publish what is in the outbox, and to read it for those who ask. The caller closes it. */
export function openOutbox<S extends OutboxTables>(
  database: Database<S>,
  options: Partial<OutboxOptions> = {},
): Outbox<S> {
  const feed = new OutboxFeed(database, options);
  const relay = new OutboxRelay(database, { ...options, onPublished: () => feed.wake() });
  return {
    feed,
    nudge: () => relay.nudge(),
    close: async () => {
      await Promise.all([feed.close(), relay.stop()]);
    },
  };
}
