import type { Instruments } from "@shoal/telemetry";
import type { Database } from "../database.ts";
import { OutboxFeed, type OutboxFeedOptions } from "./feed.ts";
import type { OutboxTables } from "./outbox.ts";
import { outboxTelemetry } from "./outbox-telemetry.ts";
import { OutboxRelay, type OutboxRelayOptions } from "./relay.ts";

/** How an outbox works: its relay and its feed. */
export interface OutboxOptions
  extends Omit<OutboxRelayOptions, "onPublished" | "onBehind" | "onCaughtUp">,
    Pick<OutboxFeedOptions, "pollMs" | "keep" | "pageSize"> {
  /** What its events are seen by, as traces and metrics. Default: nothing. */
  readonly telemetry?: Instruments | undefined;
}

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
  const seen = options.telemetry && outboxTelemetry(options.telemetry);
  const feed = new OutboxFeed(database, { ...options, onRead: seen?.onRead });
  const relay = new OutboxRelay(database, {
    ...options,
    onPublished: (count) => {
      seen?.onPublished(count);
      feed.wake();
    },
    onBehind: () => seen?.onBehind(),
    onCaughtUp: () => seen?.onCaughtUp(),
    onError: (error) => {
      // What it could not look for may be there.
      seen?.onBehind();
      options.onError?.(error);
    },
  });
  return {
    feed,
    nudge: () => relay.nudge(),
    close: async () => {
      await Promise.all([feed.close(), relay.stop()]);
    },
  };
}
