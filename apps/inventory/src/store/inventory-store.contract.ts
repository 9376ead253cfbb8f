import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { CollisionError, type InventoryStore, type StockedProduct } from "../domain/inventory-store.ts";
import { fenceOf, type Reservation } from "../domain/reservation.ts";
import type { Adjustment } from "../domain/stock.ts";

/** A product with 10 pieces available. */
export function stocked(sku: string, available = 10): StockedProduct {
  return {
    product: {
      sku,
      name: `Größe ${sku} 🧦`,
      description: "",
      price: { minorUnits: 2n ** 62n, currency: "EUR" },
      version: 1,
      createdAtMs: 1_700_000_000_123,
      updatedAtMs: 1_700_000_000_456,
    },
    stock: { sku, available, held: 0, sold: 0, version: 0 },
  };
}

function held(id: string, expiresAtMs = 2_000): Reservation {
  const unitPrice = { minorUnits: 450n, currency: "EUR" };
  return {
    id,
    status: "held",
    lines: [
      { sku: "B", quantity: 2, unitPrice },
      { sku: "A", quantity: 1, unitPrice },
    ],
    total: { minorUnits: 1_350n, currency: "EUR" },
    createdAtMs: 1_000,
    expiresAtMs,
  };
}

/** What every {@link InventoryStore} does. `open` answers an empty one that lives as long as the test. */
export function inventoryStoreContract(
  driver: string,
  open: (t: TestContext) => Promise<InventoryStore>,
  options: { readonly skip?: string },
): void {
  const it = (does: string, run: (store: InventoryStore) => Promise<void>) =>
    test(`${driver} inventory store ${does}`, options, async (t) => run(await open(t)));
  const put = (store: InventoryStore, ...products: StockedProduct[]) => store.transaction((tx) => tx.insert(products));
  const level = async (store: InventoryStore, sku: string) => (await store.find([sku]))[0]?.stock;

  it("gives back the products that were put in", async (store) => {
    await put(store, stocked("A"), stocked("B", 0));
    const found = await store.find(["B", "A", "none"]);
    assert.deepEqual(
      found.toSorted((a, b) => (a.stock.sku < b.stock.sku ? -1 : 1)),
      [stocked("A"), stocked("B", 0)],
    );
    assert.deepEqual(await store.find([]), []);
  });

  it("tells SKUs of different case apart and sorts them by byte", async (store) => {
    await put(store, stocked("a"), stocked("B"), stocked("A"));
    const list = async (after: string, limit: number) => (await store.list(after, limit)).map(({ sku }) => sku);
    assert.deepEqual(await list("", 2), ["A", "B"]);
    assert.deepEqual(await list("B", 2), ["a"]);
    assert.deepEqual(await list("a", 2), []);
  });

  it("refuses a SKU that exists, and takes back what came with it", async (store) => {
    await put(store, stocked("A"));
    await assert.rejects(put(store, stocked("B"), stocked("A")), CollisionError);
    assert.deepEqual(await store.find(["B"]), []);
  });

  it("replaces a product at the expected version only, and not its stock", async (store) => {
    await put(store, stocked("A"));
    const { product } = stocked("A", 999);
    assert.equal(await store.replace({ ...product, name: "new", version: 2 }, 1), true);
    assert.equal(await store.replace({ ...product, name: "lost", version: 2 }, 1), false);
    const expected = { ...stocked("A"), product: { ...product, name: "new", version: 2 } };
    assert.deepEqual(await store.find(["A"]), [expected]);
  });

  it("moves stock, never below 0 and only where there is some", async (store) => {
    await put(store, stocked("A"), stocked("B"));
    await store.transaction(async (tx) => {
      await tx.lock(["A", "B"]);
      await tx.move([
        { sku: "B", available: -1, sold: 1 },
        { sku: "A", available: -9, held: 9 },
      ]);
      await tx.move([{ sku: "A", available: -1, held: 1 }]);
    });
    assert.deepEqual(await level(store, "A"), { sku: "A", available: 0, held: 10, sold: 0, version: 2 });
    assert.deepEqual(await level(store, "B"), { sku: "B", available: 9, held: 0, sold: 1, version: 1 });
    const move = (sku: string, available: number) =>
      store.transaction(async (tx) => {
        await tx.lock([sku]);
        await tx.move([{ sku, available }]);
      });
    await assert.rejects(move("A", -1));
    assert.equal((await level(store, "A"))?.available, 0);
    await assert.rejects(move("none", 1), /no stock of none/);
    await assert.rejects(
      store.transaction((tx) => tx.move([{ sku: "A", available: 1 }])),
      /no stock of A that is locked/,
    );
  });

  it("lets nobody change what a transaction has locked", async (store) => {
    await put(store, stocked("A", 0));
    const readThenWrite = () =>
      store.transaction(async (tx) => {
        const available = (await tx.lock(["A"])).get("A")?.stock.available ?? 0;
        await tx.move([{ sku: "A", available: available + 1 - available }]);
        return available;
      });
    const seen = await Promise.all(Array.from({ length: 30 }, readThenWrite));
    assert.deepEqual(
      seen.toSorted((a, b) => a - b),
      Array.from({ length: 30 }, (_, n) => n),
    );
  });

  it("takes everything back when a transaction fails", async (store) => {
    await put(store, stocked("A"));
    const failing = store.transaction(async (tx) => {
      await tx.lock(["A"]);
      await tx.move([{ sku: "A", available: -5, held: 5 }]);
      await tx.insertReservations([held("r1")]);
      throw new Error("changed my mind");
    });
    await assert.rejects(failing, /changed my mind/);
    assert.equal((await level(store, "A"))?.available, 10);
    assert.equal(await store.findReservation("r1"), undefined);
  });

  it("keeps adjustments once for each source and id", async (store) => {
    const adjustment: Adjustment = {
      source: "adjust",
      id: "a1",
      sku: "A",
      delta: -3,
      reason: "counted",
      createdAtMs: 1_000,
    };
    const loaded: Adjustment = { ...adjustment, source: "load" };
    await store.transaction((tx) => tx.insertAdjustments([adjustment, loaded]));
    await assert.rejects(
      store.transaction((tx) => tx.insertAdjustments([adjustment])),
      CollisionError,
    );
    const found = await store.transaction((tx) => tx.findAdjustments("adjust", ["a1", "a2"]));
    assert.deepEqual(found, [adjustment]);
  });

  it("gives back reservations with their lines in order", async (store) => {
    await store.transaction((tx) => tx.insertReservations([held("r1")]));
    assert.deepEqual(await store.findReservation("r1"), held("r1"));
    assert.equal(await store.findReservation("R1"), undefined);
    await assert.rejects(
      store.transaction((tx) => tx.insertReservations([held("r1")])),
      CollisionError,
    );
    const locked = await store.transaction((tx) => tx.lockReservations(["r1", "none"]));
    assert.deepEqual(locked, [held("r1")]);
  });

  it("forgets who was released before it was made, a while after that, and nobody else", async (store) => {
    const fence = fenceOf("never", 1_000, 500);
    await store.transaction((tx) => tx.insertReservations([fence, held("r1", 1_000)]));
    assert.deepEqual(await store.findReservation("never"), fence);
    assert.equal(await store.deleteFences(1_499, 10), 0);
    assert.equal(await store.deleteFences(1_500, 10), 1);
    assert.equal(await store.findReservation("never"), undefined);
    assert.deepEqual(await store.findOverdue(2_000, 10, 0), ["r1"]);
  });

  it("finds the holds that are overdue, the oldest first, and no others", async (store) => {
    await store.transaction(async (tx) => {
      for (const [id, expiresAtMs] of Object.entries({ late: 3_000, first: 1_000, second: 2_000, sold: 500 }))
        await tx.insertReservations([held(id, expiresAtMs)]);
      await tx.setStatus(["sold"], "confirmed");
    });
    assert.deepEqual(await store.findOverdue(2_000, 10, 0), ["first", "second"]);
    assert.deepEqual(await store.findOverdue(2_000, 1, 0), ["first"]);
    assert.deepEqual(await store.findOverdue(2_000, 10, 1), ["second"]);
    assert.equal((await store.findReservation("sold"))?.status, "confirmed");
  });
}
