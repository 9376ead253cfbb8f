import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { AppError } from "@shoal/kernel";
import type { Order } from "../domain/order.ts";
import type { OrderStore } from "../domain/ports.ts";

const ada = "0190a000-0000-7000-8000-000000000001";
const bob = "0190a000-0000-7000-8000-000000000002";

/** An order that was placed at 1,000, expires at 5,000 and is to be settled at 5,100. */
function placed(id: string, changes: Partial<Order> = {}): Order {
  return {
    id,
    userId: ada,
    status: "placed",
    intent: undefined,
    paymentReference: undefined,
    lines: [
      { sku: "B", quantity: 2, unitPrice: { minorUnits: 2n ** 61n, currency: "EUR" } },
      { sku: "A", quantity: 1, unitPrice: { minorUnits: 1n, currency: "EUR" } },
    ],
    total: { minorUnits: 2n ** 62n + 1n, currency: "EUR" },
    expiresAtMs: 5_000,
    settleAtMs: 5_100,
    createdAtMs: 1_000,
    updatedAtMs: 1_000,
    ...changes,
  };
}

/** What every {@link OrderStore} does. `open` answers an empty one that lives as long as the test. */
export function orderStoreContract(
  driver: string,
  open: (t: TestContext) => Promise<OrderStore>,
  options: { readonly skip?: string },
): void {
  const it = (does: string, run: (store: OrderStore) => Promise<void>) =>
    test(`${driver} order store ${does}`, options, async (t) => run(await open(t)));

  it("gives back what was put in, lines in order", async (store) => {
    assert.equal(await store.insert(placed("o1")), true);
    assert.deepEqual(await store.find("o1"), placed("o1"));
    assert.equal(await store.find("o2"), undefined);
  });

  it("takes an id once, whoever is first", async (store) => {
    const results = await Promise.all(
      Array.from({ length: 10 }, (_, n) => store.insert(placed("o1", { updatedAtMs: n }))),
    );
    assert.equal(results.filter(Boolean).length, 1);
    assert.equal((await store.find("o1"))?.lines.length, 2);
  });

  it("keeps the first answer to a request, an order or why there is none, and takes no second", async (store) => {
    const error = new AppError({
      kind: "precondition",
      reason: "INSUFFICIENT_STOCK",
      domain: "shoal.order",
      message: "not enough stock: A: 2 asked, 1 left",
      metadata: { sku: "A" },
      preconditions: [{ subject: "A", description: "2 asked, 1 left" }],
    });
    const refusal = { id: "o1", fingerprint: "f1", error, atMs: 1_000 };
    assert.equal(await store.findFirst("o1"), undefined);
    assert.equal(await store.refuse(refusal), true);
    assert.equal(await store.refuse(refusal), false);
    assert.equal(await store.insert(placed("o1")), false);
    assert.equal(await store.find("o1"), undefined);
    assert.deepEqual(await store.findFirst("o1"), { refusal });
    assert.equal(await store.insert(placed("o2")), true);
    assert.equal(await store.refuse({ ...refusal, id: "o2" }), false);
    assert.deepEqual(await store.findFirst("o2"), { order: placed("o2") });
  });

  it("takes one answer to each request, whatever comes at the same time", async (store) => {
    const error = new AppError({ kind: "missing", reason: "SKU_NOT_FOUND", domain: "shoal.order", message: "none" });
    const kept = await Promise.all(
      Array.from({ length: 40 }, async (_, n) => {
        const id = `o${n % 10}`;
        const isOrder = n % 3 > 0;
        const isKept = await (isOrder
          ? store.insert(placed(id))
          : store.refuse({ id, fingerprint: "f", error, atMs: 1 }));
        return isKept ? [`${id} ${isOrder ? "order" : "refusal"}`] : [];
      }),
    );
    const firsts = await Promise.all(
      Array.from({ length: 10 }, async (_, n) => {
        const first = await store.findFirst(`o${n}`);
        return `o${n} ${first === undefined ? "nothing" : Object.keys(first)[0]}`;
      }),
    );
    assert.deepEqual(kept.flat().sort(), firsts);
  });

  it("forgets why requests were refused when that is old, and no order", async (store) => {
    const error = new AppError({ kind: "missing", reason: "SKU_NOT_FOUND", domain: "shoal.order", message: "none" });
    await store.refuse({ id: "old", fingerprint: "f", error, atMs: 1_000 });
    await store.refuse({ id: "young", fingerprint: "f", error, atMs: 2_000 });
    await store.insert(placed("o1", { createdAtMs: 1_000 }));
    assert.equal(await store.forgetAnswers(2_000, 10), 2);
    assert.equal(await store.findFirst("old"), undefined);
    assert.ok((await store.findFirst("young")) !== undefined);
    assert.deepEqual(await store.findFirst("o1"), { order: placed("o1") });
    assert.equal(await store.insert(placed("o1")), false);
  });

  it("finds the orders that exist of many", async (store) => {
    await store.insert(placed("o1"));
    await store.insert(placed("o2"));
    const found = await store.findAll(["o2", "o1", "none"]);
    assert.deepEqual(
      found.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
      [placed("o1"), placed("o2")],
    );
    assert.deepEqual(await store.findAll([]), []);
  });

  it("lists a user's orders newest first, by id where the time is the same, page by page", async (store) => {
    await store.insert(placed("old", { createdAtMs: 1_000 }));
    await store.insert(placed("same-a", { createdAtMs: 2_000 }));
    await store.insert(placed("same-b", { createdAtMs: 2_000 }));
    await store.insert(placed("other", { userId: bob, createdAtMs: 3_000 }));
    const first = await store.list(ada, undefined, 2);
    assert.deepEqual(
      first.map(({ id }) => id),
      ["same-b", "same-a"],
    );
    // Placed while paging: it is before the page, and moves nothing.
    await store.insert(placed("new", { createdAtMs: 4_000 }));
    assert.deepEqual(
      (await store.list(ada, { createdAtMs: 2_000, id: "same-b" }, 5)).map(({ id }) => id),
      ["same-a", "old"],
    );
    assert.deepEqual(await store.list(ada, { createdAtMs: 1_000, id: "old" }, 5), []);
  });

  it("notes one intent at a time, and the same again, which is no change of status", async (store) => {
    await store.insert(placed("o1"));
    assert.equal(await store.begin("o1", "confirm", "pay-1", 2_000), true);
    assert.equal(await store.begin("o1", "confirm", "pay-1", 2_100), true);
    assert.equal(await store.begin("o1", "confirm", "pay-1", 2_100), true);
    assert.equal(await store.begin("o1", "confirm", "pay-2", 2_200), false);
    assert.equal(await store.begin("o1", "cancel", undefined, 2_300), false);
    assert.equal(await store.begin("none", "cancel", undefined, 2_300), false);
    const expected = placed("o1", { intent: "confirm", paymentReference: "pay-1", settleAtMs: 2_100 });
    assert.deepEqual(await store.find("o1"), expected);
  });

  it("ends an order once, and keeps the payment of a confirmation that was begun", async (store) => {
    for (const id of ["o1", "o2"]) {
      await store.insert(placed(id));
      await store.begin(id, "confirm", "pay-1", 2_000);
    }
    const ended = await Promise.all([store.end("o1", "confirmed", 3_000), store.end("o1", "confirmed", 3_000)]);
    assert.deepEqual(ended.toSorted(), [false, true]);
    assert.equal(await store.end("o2", "expired", 3_000), true);
    assert.equal(await store.end("o1", "cancelled", 4_000), false);
    assert.equal(await store.begin("o1", "confirm", "pay-1", 4_000), false);
    const confirmed = placed("o1", {
      status: "confirmed",
      paymentReference: "pay-1",
      settleAtMs: 2_000,
      updatedAtMs: 3_000,
    });
    assert.deepEqual(await store.find("o1"), confirmed);
    assert.deepEqual(await store.find("o2"), { ...confirmed, id: "o2", status: "expired" });
  });

  it("finds placed orders when they are due, those that have waited longest first", async (store) => {
    await store.insert(placed("fresh", { settleAtMs: 5_001, expiresAtMs: 4_000 }));
    await store.insert(placed("due", { settleAtMs: 5_000, expiresAtMs: 9_000 }));
    await store.insert(placed("overdue", { settleAtMs: 4_000 }));
    await store.insert(placed("ended", { settleAtMs: 4_000 }));
    await store.end("ended", "cancelled", 2_000);
    await store.insert(placed("half done", { settleAtMs: 9_000 }));
    await store.begin("half done", "confirm", "p", 4_500);
    await store.insert(placed("under way", { settleAtMs: 4_000 }));
    await store.begin("under way", "cancel", undefined, 14_000);
    const found = async (limit: number) => (await store.findUnsettled(5_000, limit)).map(({ id }) => id);
    assert.deepEqual(await found(10), ["overdue", "half done", "due"]);
    assert.deepEqual(await found(1), ["overdue"]);
  });

  it("postpones a placed order, and no other", async (store) => {
    await store.insert(placed("o1", { settleAtMs: 4_000 }));
    await store.insert(placed("o2", { settleAtMs: 4_500 }));
    await store.insert(placed("ended", { status: "expired" }));
    for (const id of ["o1", "ended", "none"]) await store.postpone(id, 6_000);
    const found = async (nowMs: number) => (await store.findUnsettled(nowMs, 1)).map(({ id }) => id);
    assert.deepEqual([await found(5_000), await found(6_000)], [["o2"], ["o2"]]);
    assert.deepEqual(await store.find("o1"), placed("o1", { settleAtMs: 6_000 }));
    assert.deepEqual(await store.find("ended"), placed("ended", { status: "expired" }));
  });
}
