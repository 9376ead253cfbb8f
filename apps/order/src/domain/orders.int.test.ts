import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { isAppError } from "@shoal/kernel";
import { storageEngines } from "@shoal/testkit";
import { openTestStore } from "../store/open-test-store.contract.ts";
import { fingerprintOf, type HoldEnd, idempotencyKeyReused, userInactive } from "./order.ts";
import { createOrders, type SettleReport } from "./orders.ts";
import type { StockHolds } from "./ports.ts";

const lines = [{ sku: "TEA", quantity: 2 }];
/** Of work that is not stopped. */
const never = new AbortController().signal;
const unitPrice = { minorUnits: 450n, currency: "EUR" };

/** An inventory that holds whatever is asked for and, told to, fails once before or after it has done its work. */
function createInventory(now: () => number) {
  const holds = new Map<string, { end: HoldEnd | undefined; expiresAtMs: number }>();
  /** Ids whose holds cannot be ended. */
  const broken = new Set<string>();
  let failure: "before" | "after" | undefined;
  const step = async <T>(work: () => T): Promise<T> => {
    const when = failure;
    failure = undefined;
    if (when === "before") throw new Error("connection refused");
    const result = work();
    if (when === "after") throw new Error("connection reset");
    return result;
  };
  const end = (id: string, wanted: HoldEnd) =>
    step(() => {
      if (broken.has(id)) throw new Error("the hold is broken");
      const hold = holds.get(id);
      assert.ok(hold, `nothing is held for ${id}`);
      hold.end ??= hold.expiresAtMs <= now() + inventory.skewMs ? "expired" : wanted;
      return hold.end;
    });
  const stock: StockHolds = {
    hold: (id, asked, timeToLiveMs) =>
      step(() => {
        const hold = holds.get(id) ?? { end: undefined, expiresAtMs: now() + inventory.skewMs + timeToLiveMs };
        holds.set(id, hold);
        return {
          isHeld: hold.end === undefined,
          lines: asked.map((line) => ({ ...line, unitPrice })),
          total: { minorUnits: 900n, currency: "EUR" },
          expiresAtMs: hold.expiresAtMs,
        };
      }),
    confirm: (id) => end(id, "confirmed"),
    release: (id) => end(id, "released"),
  };
  const inventory = {
    stock,
    holds,
    broken,
    /** How far its clock is ahead. */
    skewMs: 0,
    failNext: (when: "before" | "after") => {
      failure = when;
    },
  };
  return inventory;
}

for (const engine of storageEngines) {
  const build = async (t: TestContext) => {
    let now = 1_000_000;
    const inventory = createInventory(() => now);
    const users = new Map([
      ["ada", true],
      ["gone", false],
    ]);
    const { store, published } = await openTestStore(t, engine);
    const orders = createOrders({
      store,
      users: { isActive: async (id) => users.get(id) },
      stock: inventory.stock,
      clock: { now: () => now },
      holdMs: 60_000,
    });
    const pass = (ms: number) => {
      now += ms;
    };
    /** What the settling job finds, and what it makes of it. */
    const report = (): Promise<SettleReport> =>
      orders.settleOverdue(
        10,
        (_, error) => {
          throw error;
        },
        never,
      );
    const settle = async () => (await report()).found;
    return { orders, store, inventory, users, published, pass, settle, report };
  };
  const it = (does: string, run: (parts: Awaited<ReturnType<typeof build>>) => Promise<void>) =>
    test(`on ${engine.name} ${does}`, engine.options, async (t) => run(await build(t)));
  const fails = (work: Promise<unknown>, reason: string) =>
    assert.rejects(work, (error) => isAppError(error, reason), reason);

  it("the same key places one order, however many try at once", async ({ orders, published, inventory }) => {
    const placed = await Promise.all(Array.from({ length: 10 }, () => orders.place("ada", "k", lines)));
    assert.equal(new Set(placed.map(({ id }) => id)).size, 1);
    assert.equal((await published()).length, 1);
    assert.equal(inventory.holds.size, 1);
    assert.notEqual((await orders.place("ada", "k2", lines)).id, placed[0]?.id);
  });

  it("the same key with other lines is refused", async ({ orders }) => {
    await orders.place("ada", "k", lines);
    await fails(orders.place("ada", "k", [{ sku: "TEA", quantity: 3 }]), "IDEMPOTENCY_KEY_REUSED");
  });

  it("the same request gets its first answer again, whatever has become of the order", async ({ orders }) => {
    const first = await orders.place("ada", "k", lines);
    await orders.confirm(first.id, "pay-1");
    const { settleAtMs } = first;
    assert.deepEqual({ ...(await orders.place("ada", "k", lines)), settleAtMs }, first);
    assert.equal((await orders.get(first.id)).status, "confirmed");
  });

  it("a request that was refused for good stays refused, though it could be granted by now", async (parts) => {
    const { orders, users, inventory } = parts;
    await fails(orders.place("gone", "k", lines), "USER_INACTIVE");
    users.set("gone", true);
    await fails(orders.place("gone", "k", lines), "USER_INACTIVE");
    await fails(orders.place("gone", "k", [{ sku: "TEA", quantity: 3 }]), "IDEMPOTENCY_KEY_REUSED");
    assert.equal((await orders.place("gone", "k2", lines)).status, "placed");
    assert.equal([...inventory.holds.values()].filter(({ end }) => end === undefined).length, 1);
  });

  it("a request that failed for want of an answer is tried again", async ({ orders, inventory }) => {
    inventory.failNext("before");
    await assert.rejects(orders.place("ada", "k", lines), /connection refused/);
    assert.equal((await orders.place("ada", "k", lines)).status, "placed");
  });

  it("a request that was answered gets that answer, though nobody else can be asked now", async (parts) => {
    const { orders, inventory } = parts;
    const order = await orders.place("ada", "k", lines);
    await fails(orders.place("gone", "k", lines), "USER_INACTIVE");
    inventory.stock.hold = () => Promise.reject(new Error("connection refused"));
    assert.deepEqual(await orders.place("ada", "k", lines), order);
    await fails(orders.place("gone", "k", lines), "USER_INACTIVE");
    await assert.rejects(orders.place("ada", "k2", lines), /connection refused/);
  });

  it("an order answers for itself when its record is forgotten, and a refusal only when that can be known", async (parts) => {
    const { orders, store, users } = parts;
    const order = await orders.place("ada", "k", lines);
    users.set("ada", false);
    const { findFirst } = store;
    store.findFirst = () => Promise.reject(new Error("connection lost"));
    await assert.rejects(orders.place("ada", "k", lines), /connection lost/);
    store.findFirst = findFirst;
    assert.equal(await store.forgetAnswers(Number.MAX_SAFE_INTEGER, 10), 1);
    assert.deepEqual(await orders.place("ada", "k", lines), order);
  });

  it("a request is told that its key is another's only when it is known that it has had no answer", async (parts) => {
    const { orders, store, users, inventory } = parts;
    await fails(orders.place("gone", "k", lines), "USER_INACTIVE");
    users.set("gone", true);
    // Of other lines under the same key, that came first and were never answered.
    inventory.stock.hold = (id) => Promise.reject(idempotencyKeyReused(id));
    const { findFirst } = store;
    store.findFirst = () => Promise.reject(new Error("connection lost"));
    await assert.rejects(orders.place("gone", "k", lines), /connection lost/);
    store.findFirst = findFirst;
    await fails(orders.place("gone", "k", lines), "USER_INACTIVE");
    await fails(orders.place("ada", "k", lines), "IDEMPOTENCY_KEY_REUSED");
  });

  it("stock that is held when the same request has been refused meanwhile is given back", async (parts) => {
    const { orders, store, inventory } = parts;
    const { hold } = inventory.stock;
    inventory.stock.hold = async (...request) => {
      const held = await hold(...request);
      const error = userInactive("ada");
      await store.refuse({ id: request[0], fingerprint: fingerprintOf(lines), error, atMs: 1 });
      return held;
    };
    await fails(orders.place("ada", "k", lines), "USER_INACTIVE");
    assert.deepEqual(
      [...inventory.holds.values()].map(({ end }) => end),
      ["released"],
    );
  });

  it("nobody orders who is unknown or inactive, and nothing is held", async ({ orders, inventory }) => {
    await fails(orders.place("nobody", "k", lines), "USER_NOT_FOUND");
    await fails(orders.place("gone", "k", lines), "USER_INACTIVE");
    assert.equal(inventory.holds.size, 0);
  });

  it("an attempt that lost the inventory's answer goes on where it stopped", async ({ orders, inventory }) => {
    inventory.failNext("after");
    await assert.rejects(orders.place("ada", "k", lines), /connection reset/);
    assert.equal((await orders.place("ada", "k", lines)).status, "placed");
    assert.equal(inventory.holds.size, 1);
  });

  it("an attempt repeated after its hold has ended is told to use a new key", async ({ orders, inventory, pass }) => {
    inventory.failNext("after");
    await assert.rejects(orders.place("ada", "k", lines));
    pass(60_000);
    for (const hold of inventory.holds.values()) hold.end = "expired";
    await fails(orders.place("ada", "k", lines), "HOLD_ENDED");
  });

  it("confirming again with the same payment answers the same; with another it is refused", async ({ orders }) => {
    const { id } = await orders.place("ada", "k", lines);
    const confirmed = await orders.confirm(id, "pay-1");
    assert.deepEqual([confirmed.status, confirmed.paymentReference], ["confirmed", "pay-1"]);
    assert.deepEqual(await orders.confirm(id, "pay-1"), confirmed);
    await fails(orders.confirm(id, "pay-2"), "ORDER_CONFIRMED");
    await fails(orders.cancel(id), "ORDER_CONFIRMED");
    await fails(orders.confirm("none", "pay-1"), "ORDER_NOT_FOUND");
  });

  it("cancelling again answers the same, and a cancelled order cannot be confirmed", async ({ orders, inventory }) => {
    const { id } = await orders.place("ada", "k", lines);
    assert.equal((await orders.cancel(id)).status, "cancelled");
    assert.equal((await orders.cancel(id)).status, "cancelled");
    await fails(orders.confirm(id, "pay-1"), "ORDER_CANCELLED");
    assert.equal(inventory.holds.get(id)?.end, "released");
  });

  it("of a confirmation and a cancellation at once, one happens", async ({ orders, inventory }) => {
    for (let n = 0; n < 10; n += 1) {
      const { id } = await orders.place("ada", `k${n}`, lines);
      const results = await Promise.allSettled([orders.confirm(id, "pay"), orders.cancel(id)]);
      assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
      const { status } = await orders.get(id);
      assert.equal(inventory.holds.get(id)?.end, status === "confirmed" ? "confirmed" : "released");
    }
  });

  it("an order that is not confirmed in time expires, once", async ({ orders, published, pass, settle }) => {
    const { id } = await orders.place("ada", "k", lines);
    assert.equal(await settle(), 0);
    pass(60_000);
    assert.equal(await settle(), 1);
    assert.equal(await settle(), 0);
    await fails(orders.confirm(id, "pay-1"), "ORDER_EXPIRED");
    assert.deepEqual(await published(), [`${id} placed`, `${id} expired`]);
  });

  it("a confirmation that comes too late ends the order as expired, and keeps its payment reference", async ({
    orders,
    pass,
  }) => {
    const { id } = await orders.place("ada", "k", lines);
    pass(60_000);
    await fails(orders.confirm(id, "pay-1"), "ORDER_EXPIRED");
    assert.deepEqual([(await orders.get(id)).status, (await orders.get(id)).paymentReference], ["expired", "pay-1"]);
  });

  for (const when of ["before", "after"] as const)
    it(`a confirmation that a crash ${when} the sale cut off is finished`, async (parts) => {
      const { orders, inventory, pass, settle } = parts;
      const { id } = await orders.place("ada", "k", lines);
      inventory.failNext(when);
      await assert.rejects(orders.confirm(id, "pay-1"), /connection/);
      assert.equal((await orders.get(id)).status, "placed");
      await fails(orders.cancel(id), "ORDER_BUSY");
      assert.equal(await settle(), 0);
      pass(10_000);
      assert.equal(await settle(), 1);
      assert.deepEqual([(await orders.get(id)).status, inventory.holds.get(id)?.end], ["confirmed", "confirmed"]);
      assert.equal((await orders.confirm(id, "pay-1")).status, "confirmed");
    });

  it("a cancellation that a crash cut off is finished as one", async ({ orders, inventory, pass, report }) => {
    const { id } = await orders.place("ada", "k", lines);
    inventory.failNext("after");
    await assert.rejects(orders.cancel(id), /connection/);
    pass(10_000);
    assert.deepEqual(await report(), { found: 1, confirmed: 0, cancelled: 1, expired: 0, failed: 0 });
    assert.equal((await orders.get(id)).status, "cancelled");
  });

  it("orders that cannot be settled wait while the others get their turn", async (parts) => {
    const { orders, inventory, pass } = parts;
    for (const key of ["k1", "k2"]) inventory.broken.add((await orders.place("ada", key, lines)).id);
    pass(1);
    const { id } = await orders.place("ada", "k3", lines);
    pass(60_000);
    const failed: string[] = [];
    const settleTwo = async () => (await orders.settleOverdue(2, (order) => failed.push(order.id), never)).found;
    assert.equal(await settleTwo(), 2);
    assert.equal(await settleTwo(), 1);
    assert.equal((await orders.get(id)).status, "expired");
    assert.equal(await settleTwo(), 0);
    pass(30_000);
    inventory.broken.clear();
    assert.equal(await settleTwo(), 2);
    assert.equal(failed.length, 2);
    assert.deepEqual(
      (await orders.list("ada", undefined, 10)).map(({ status }) => status),
      ["expired", "expired", "expired"],
    );
  });

  it("stops between two orders when it is told to", async ({ orders, store, pass }) => {
    for (const key of ["k1", "k2"]) await orders.place("ada", key, lines);
    pass(60_000);
    await orders.settleOverdue(10, () => assert.fail(), AbortSignal.abort());
    assert.equal((await store.findUnsettled(Number.MAX_SAFE_INTEGER, 10)).length, 2);
  });

  it("an order's time runs by the order service's clock, whatever the inventory's says", async (parts) => {
    const { orders, inventory, pass, settle } = parts;
    inventory.skewMs = -120_000;
    const { id } = await orders.place("ada", "k", lines);
    pass(59_999);
    assert.equal(await settle(), 0);
    pass(1);
    assert.equal(await settle(), 1);
    assert.equal((await orders.get(id)).status, "expired");
  });

  it("a change that is begun does not move the time of the last change", async ({ orders, inventory, pass }) => {
    const placed = await orders.place("ada", "k", lines);
    pass(500);
    inventory.failNext("before");
    await assert.rejects(orders.confirm(placed.id, "pay-1"), /connection/);
    assert.equal((await orders.get(placed.id)).updatedAtMs, placed.updatedAtMs);
  });
}
