import type { Metrics } from "@shoal/telemetry";
import type { InventoryStore } from "./domain/inventory-store.ts";
import type { OpenHolds } from "./store/open-holds.ts";

/** The same store, of which is counted what becomes of holds, once it is committed: `shoal.inventory.holds`, by outcome. */
export function countHolds(store: InventoryStore, metrics: Metrics): InventoryStore {
  const holds = metrics.counter({
    name: "shoal.inventory.holds",
    unit: "{hold}",
    description: "Holds of stock that were made, confirmed, released or expired.",
  });
  return {
    ...store,
    transaction: async (work) => {
      let counts = new Map<string, number>();
      const count = (outcome: string, by: number) => counts.set(outcome, (counts.get(outcome) ?? 0) + by);
      const result = await store.transaction((tx) => {
        // It may be run more than once.
        counts = new Map();
        return work({
          ...tx,
          insertReservations: async (reservations) => {
            await tx.insertReservations(reservations);
            // The others are fences, which hold nothing.
            count("held", reservations.filter(({ status }) => status === "held").length);
          },
          setStatus: async (ids, status) => {
            await tx.setStatus(ids, status);
            count(status, ids.length);
          },
        });
      });
      for (const [outcome, by] of counts) if (by > 0) holds.with({ outcome }).add(by);
      return result;
    },
  };
}

/** Tells how many holds there are as `latest` knows it, whichever instance made them; nothing while it knows nothing. */
export function watchOpenHolds(metrics: Metrics, latest: () => OpenHolds | undefined): void {
  metrics.gauge(
    {
      name: "shoal.inventory.open_holds",
      unit: "{hold}",
      description:
        "Holds that are open now, those of all instances together; overdue: past their time and still there.",
    },
    (observe) => {
      const holds = latest();
      if (holds === undefined) return;
      observe(holds.open - holds.overdue, { overdue: false });
      observe(holds.overdue, { overdue: true });
    },
  );
}
