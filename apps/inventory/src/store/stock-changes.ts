import type { OutboxFeed } from "@shoal/storage";
import type { StockChanges } from "../domain/stock.ts";
import { stockFromEvent, stockTopic } from "./rows.ts";
import type { InventoryTables } from "./tables.ts";

/** The changes of levels among what the database has published. */
export function createStockChanges(feed: OutboxFeed<InventoryTables>): StockChanges {
  return {
    position: () => feed.position(),
    read: async function* (after, signal) {
      for await (const events of feed.read(after, signal))
        yield events
          .filter(({ topic }) => topic === stockTopic)
          .map((event) => ({ place: event.seq, level: stockFromEvent(event) }));
    },
  };
}
