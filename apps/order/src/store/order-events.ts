import type { OutboxEvent, OutboxFeed } from "@shoal/storage";
import type { Order, OrderStatus } from "../domain/order.ts";
import type { OrderChanges } from "../domain/ports.ts";
import type { OrderTables } from "./tables.ts";

const topic = "order";

/** That an order was placed, its first version, or has ended, its second and last. */
export function orderEvent({ id, userId, status }: Pick<Order, "id" | "userId" | "status">, atMs: number): OutboxEvent {
  const version = status === "placed" ? 1 : 2;
  return { topic, key: id, version, payload: JSON.stringify([userId, status]), atMs };
}

/** The changes of orders among what the database has published. */
export function createOrderChanges(feed: OutboxFeed<OrderTables>): OrderChanges {
  return {
    position: () => feed.position(),
    read: async function* (after, signal) {
      for await (const events of feed.read(after, signal))
        yield events
          .filter((event) => event.topic === topic)
          .map(({ seq, key, payload }) => {
            const [userId, status] = JSON.parse(payload) as [string, OrderStatus];
            return { place: seq, id: key, userId, status };
          });
    },
  };
}
