import assert from "node:assert/strict";
import { test } from "node:test";
import type { InventoryStore, InventoryTransaction } from "@shoal/inventory/domain/inventory-store";
import { isFence, type Reservation } from "@shoal/inventory/domain/reservation";
import { AppError } from "@shoal/kernel";
import type { Plants } from "./services.ts";
import { simulate } from "./simulate.ts";

/** Within how many seeds each planted fault must be found. */
const maxSeeds = 400;

/** An inventory whose transactions differ. */
function withTransaction(change: (tx: InventoryTransaction) => Partial<InventoryTransaction>) {
  return (store: InventoryStore): InventoryStore => ({
    ...store,
    transaction: (work) => store.transaction((tx) => work({ ...tx, ...change(tx) })),
  });
}

const faults: readonly (readonly [fault: string, plants: Plants, finds: RegExp])[] = [
  [
    "stock that is read without a lock",
    { inventoryOptions: { locksProducts: false, checksLevels: false } },
    // Where there are events, their versions are another line of defence.
    /^I1: . has available|outbox has stock/,
  ],
  [
    "holds that are ended as they were before they were locked",
    { inventory: withTransaction((tx) => ({ lockReservations: (ids) => tx.findReservations(ids) })) },
    /^I[15]:|would fall below 0/,
  ],
  [
    "a sweeper that does not look again at what it has found before",
    {
      inventory: (store) => {
        let overdue: readonly string[] = [];
        const lying = withTransaction((tx) => ({
          lockReservations: async (ids) =>
            (await tx.lockReservations(ids)).map(
              (row): Reservation => (ids === overdue ? { ...row, status: "held" } : row),
            ),
        }));
        return {
          ...lying(store),
          findOverdue: async (...query) => {
            overdue = [...new Set([...overdue, ...(await store.findOverdue(...query))])];
            return overdue;
          },
        };
      },
    },
    /^I[15]:|would fall below 0/,
  ],
  ["a sweeper that finds nothing", { inventory: (store) => ({ ...store, findOverdue: async () => [] }) }, /^I6:/],
  ["a settling job that finds nothing", { orders: (store) => ({ ...store, findUnsettled: async () => [] }) }, /^I6:/],
  [
    "no fence against what comes after its release",
    {
      inventory: withTransaction((tx) => ({
        insertReservations: (rows) => tx.insertReservations(rows.filter((row) => !isFence(row))),
      })),
    },
    /^I5: reservation .* is held after its maker was told/,
  ],
  [
    "adjustments that are made as often as they are sent",
    {
      inventory: withTransaction((tx) => ({
        findAdjustments: async () => [],
        insertAdjustments: async (rows) => {
          const fresh = await Promise.all(
            rows.map(async (row) => ((await tx.findAdjustments(row.source, [row.id])).length === 0 ? [row] : [])),
          );
          await tx.insertAdjustments(fresh.flat());
        },
      })),
    },
    /^I1: . has .*, and was adjusted by/,
  ],
  [
    "a settling job that takes no answer for a release",
    {
      stock: (stock) => ({ ...stock, release: (id) => stock.release(id).catch(() => "released" as const) }),
    },
    /^I5: order .* is (cancelled|expired), and its reservation (held|confirmed|expired)/,
  ],
  [
    "a confirmation that takes no answer for a sale",
    { stock: (stock) => ({ ...stock, confirm: (id) => stock.confirm(id).catch(() => "confirmed" as const) }) },
    /^I5: order .* is confirmed, and its reservation (held|expired|released)/,
  ],
  [
    "refusals that are not kept",
    {
      orders: (store) => ({
        ...store,
        answer: async (answers) => {
          const orders = answers.filter((answer) => "order" in answer);
          return orders.length === 0 || (await store.answer(orders));
        },
      }),
    },
    /^I4: .* was answered .*, and now with/,
  ],
  [
    "a payment that is taken for an order that is paid for",
    {
      orders: (store) => {
        const references = new Map<string, string | undefined>();
        return {
          ...store,
          begin: async (id, intent, reference, settleAtMs) => {
            if (intent === "confirm") references.set(id, reference);
            await store.begin(id, intent, reference, settleAtMs);
            return true;
          },
          find: async (id) => {
            const order = await store.find(id);
            return order && references.has(id) ? { ...order, paymentReference: references.get(id) } : order;
          },
        };
      },
    },
    /^I4: .* was paid by .*, and (now by|has)/,
  ],
  [
    "an order that is not found while it is being changed",
    {
      orders: (store) => ({
        ...store,
        find: async (id) => {
          const order = await store.find(id);
          return order?.intent === undefined ? order : undefined;
        },
      }),
    },
    /^I3: order .* was acknowledged, and now its client was told ORDER_NOT_FOUND/,
  ],
  [
    "a hold with another id for each attempt",
    {
      stock: (stock) => {
        let attempts = 0;
        return {
          ...stock,
          hold: (id, lines, timeToLiveMs) => {
            attempts += 1;
            return stock.hold(`${id.slice(0, -4)}${String(attempts).padStart(4, "0")}`, lines, timeToLiveMs);
          },
        };
      },
    },
    /^I3: order .* has no reservation/,
  ],
  [
    "events that are told before what they tell is committed",
    {
      orderEvents:
        (session, { outbox }) =>
        async (_, events) =>
          session.transaction((other) => outbox.append(other, events)),
    },
    /^I7: an event tells of an order that has not changed/,
  ],
  [
    "a consumer that takes every event for a new one",
    { freshEvents: (ids) => ids },
    /^I7: the events of .* had the effects/,
  ],
  [
    "an order that is acknowledged though it was not written",
    {
      orders: (store) => ({
        ...store,
        answer: (answers) =>
          store.answer(answers).catch((error: unknown) => {
            if (error instanceof AppError) return true;
            throw error;
          }),
      }),
    },
    /^I[34]:/,
  ],
];

for (const [fault, plants, finds] of faults)
  test(`finds ${fault}`, async (t) => {
    for (let seed = 1; seed <= maxSeeds; seed += 1) {
      const { violation } = await simulate({ seed, plants });
      if (violation === undefined) continue;
      assert.match(violation, finds);
      t.diagnostic(`seed ${seed}: ${violation}`);
      return;
    }
    assert.fail(`not found in ${maxSeeds} seeds`);
  });
