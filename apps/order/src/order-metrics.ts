import type { Metrics } from "@shoal/telemetry";
import type { OrderStore } from "./domain/ports.ts";

/** The same store, of which is counted what becomes of orders: `shoal.orders`, by outcome, and by reason where one is refused. */
export function countOrders(store: OrderStore, metrics: Metrics): OrderStore {
  const orders = metrics.counter({
    name: "shoal.orders",
    unit: "{order}",
    description: "Orders that were placed, refused for good, confirmed, cancelled or expired.",
  });
  const placed = orders.with({ outcome: "placed" });
  return {
    ...store,
    insert: async (order) => {
      const isNew = await store.insert(order);
      if (isNew) placed.add();
      return isNew;
    },
    refuse: async (refusal) => {
      const isNew = await store.refuse(refusal);
      if (isNew) orders.with({ outcome: "refused", reason: refusal.error.reason }).add();
      return isNew;
    },
    end: async (id, status, nowMs) => {
      const isChanged = await store.end(id, status, nowMs);
      if (isChanged) orders.with({ outcome: status }).add();
      return isChanged;
    },
  };
}
