import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { isAppError } from "@shoal/kernel";
import { storageEngines } from "@shoal/testkit";
import { reserveOneByOne } from "../batching.ts";
import { openTestStore } from "../store/open-test-store.contract.ts";
import { createCatalogue } from "./catalogue.ts";
import type { RequestedLine } from "./reservation.ts";
import { createReservations } from "./reservations.ts";
import { createStockKeeping } from "./stock-keeping.ts";

for (const engine of storageEngines) {
  const build = async (t: TestContext) => {
    const clock = {
      time: 1_000_000,
      now() {
        return this.time;
      },
    };
    const parts = { store: await openTestStore(t, engine), clock };
    const catalogue = createCatalogue(parts);
    const stock = createStockKeeping(parts);
    const product = (sku: string, quantity: number, currency = "EUR", minorUnits = 450n) =>
      catalogue.create({ sku, name: sku, description: "", price: { minorUnits, currency } }, quantity);
    const level = async (sku: string) => {
      const [found] = (await stock.get([sku])).levels;
      return found && [found.available, found.held, found.sold];
    };
    const reservations = createReservations(parts);
    const reserveOne = reserveOneByOne(reservations);
    const reserve = (id: string, lines: readonly RequestedLine[], timeToLiveMs: number) =>
      reserveOne({ id, lines, timeToLiveMs });
    return { clock, catalogue, stock, reservations, reserve, product, level };
  };
  const it = (does: string, run: (parts: Awaited<ReturnType<typeof build>>) => Promise<void>) =>
    test(`on ${engine.name} ${does}`, engine.options, async (t) => run(await build(t)));
  const reasons = (results: readonly PromiseSettledResult<unknown>[]) =>
    results.flatMap((result) =>
      result.status === "rejected" ? (isAppError(result.reason) ? result.reason.reason : String(result.reason)) : [],
    );

  it("one of many buyers gets the last piece", async ({ product, reserve, level }) => {
    await product("A", 1);
    const attempts = Array.from({ length: 40 }, (_, n) => reserve(`r${n}`, [{ sku: "A", quantity: 1 }], 60_000));
    const refused = reasons(await Promise.allSettled(attempts));
    assert.deepEqual(
      refused,
      Array.from({ length: 39 }, () => "INSUFFICIENT_STOCK"),
    );
    assert.deepEqual(await level("A"), [0, 1, 0]);
  });

  it("the same reservation by many callers holds once", async ({ product, reserve, level }) => {
    await product("A", 10);
    const lines = [{ sku: "A", quantity: 3 }];
    const answers = await Promise.all(Array.from({ length: 20 }, () => reserve("r", lines, 60_000)));
    assert.equal(new Set(answers.map((answer) => JSON.stringify(answer, (_, v) => String(v)))).size, 1);
    assert.deepEqual(await level("A"), [7, 3, 0]);
  });

  it("a reservation id with other lines is refused, at once or later", async ({ product, reserve, level }) => {
    await product("A", 10);
    await product("B", 10);
    const results = await Promise.allSettled([
      reserve("r", [{ sku: "A", quantity: 1 }], 60_000),
      reserve("r", [{ sku: "B", quantity: 1 }], 60_000),
    ]);
    assert.deepEqual(reasons(results), ["RESERVATION_ID_REUSED"]);
    const available = [(await level("A"))?.[0] ?? 0, (await level("B"))?.[0] ?? 0];
    assert.equal(available[0] === 9 ? available[1] : available[0], 10);
    await assert.rejects(reserve("r", [{ sku: "A", quantity: 2 }], 1_000), (error) =>
      isAppError(error, "RESERVATION_ID_REUSED"),
    );
  });

  it("all lines are held or none, and every short SKU is named", async ({ product, reserve, level }) => {
    await product("A", 5);
    await product("B", 1);
    await product("C", 0);
    const lines = ["A", "B", "C"].map((sku) => ({ sku, quantity: 2 }));
    await assert.rejects(reserve("r", lines, 60_000), (error) => {
      assert.ok(isAppError(error, "INSUFFICIENT_STOCK"));
      assert.deepEqual(error.metadata, { sku: "B", requested: "2", available: "1" });
      assert.deepEqual(
        error.preconditions.map(({ subject, description }) => `${subject} ${description}`),
        ["B 2 asked, 1 left", "C 2 asked, 0 left"],
      );
      return true;
    });
    assert.deepEqual(await level("A"), [5, 0, 0]);
  });

  it("reservations that name the same SKUs in opposite order do not block each other", async (parts) => {
    const { product, reserve, level } = parts;
    await product("A", 100);
    await product("B", 100);
    const attempts = Array.from({ length: 60 }, (_, n) => {
      const lines = [
        { sku: "A", quantity: 1 },
        { sku: "B", quantity: 1 },
      ];
      return reserve(`r${n}`, n % 2 === 0 ? lines : lines.reverse(), 60_000);
    });
    await Promise.all(attempts);
    assert.deepEqual(await level("A"), [40, 60, 0]);
    assert.deepEqual(await level("B"), [40, 60, 0]);
  });

  it("a hold ends once, however many try to end it at once", async ({
    clock,
    product,
    reservations,
    reserve,
    level,
  }) => {
    await product("A", 30);
    for (let n = 0; n < 10; n += 1) await reserve(`r${n}`, [{ sku: "A", quantity: 3 }], 1_000);
    const race = Promise.allSettled(
      Array.from({ length: 10 }, (_, n) => [reservations.confirm(`r${n}`), reservations.release(`r${n}`)]).flat(),
    );
    clock.time += 5_000;
    await Promise.all([race, reservations.expireOverdue(100), reservations.expireOverdue(100)]);
    const ended = await Promise.all(Array.from({ length: 10 }, (_, n) => reservations.get(`r${n}`)));
    const confirmed = ended.filter(({ status }) => status === "confirmed").length;
    assert.equal(
      ended.every(({ status }) => status !== "held"),
      true,
    );
    assert.deepEqual(await level("A"), [30 - 3 * confirmed, 0, 3 * confirmed]);
  });

  it("many requests are decided together, first come, first served, and each fails alone", async (parts) => {
    const { product, reservations, level } = parts;
    await product("A", 5);
    await product("B", 1);
    await product("USD", 9, "USD");
    const request = (id: string, ...wanted: [string, number][]) => ({
      id,
      lines: wanted.map(([sku, quantity]) => ({ sku, quantity })),
      timeToLiveMs: 60_000,
    });
    const outcomes = await reservations.reserve([
      request("r1", ["A", 3]),
      request("r2", ["A", 2], ["B", 2]),
      request("r3", ["B", 1], ["A", 2]),
      request("r1", ["A", 3]),
      request("r1", ["A", 1]),
      request("r4", ["A", 1], ["USD", 1]),
      request("r5", ["none", 1]),
      request("r6", ["A", 1]),
    ]);
    const seen = outcomes.map((outcome) => ("value" in outcome ? outcome.value.id : outcome.error.reason));
    assert.deepEqual(seen, [
      "r1",
      "INSUFFICIENT_STOCK",
      "r3",
      "r1",
      "RESERVATION_ID_REUSED",
      "MIXED_CURRENCIES",
      "SKU_NOT_FOUND",
      "INSUFFICIENT_STOCK",
    ]);
    assert.deepEqual(
      [await level("A"), await level("B"), await level("USD")],
      [
        [0, 5, 0],
        [0, 1, 0],
        [9, 0, 0],
      ],
    );
    assert.equal((await reservations.get("r3")).lines.length, 2);
  });

  it("the batches of many callers that want the same things hold each once and no more than there is", async (parts) => {
    const { product, reservations, level } = parts;
    await product("A", 20);
    await product("B", 30);
    const batch = (from: number) =>
      reservations.reserve(
        Array.from({ length: 10 }, (_, n) => ({
          id: `r${from + n}`,
          lines: [
            { sku: "A", quantity: 1 },
            { sku: "B", quantity: 1 },
          ].sort(() => (n % 2) - 0.5),
          timeToLiveMs: 60_000,
        })),
      );
    // Each reservation is asked for in two batches.
    const batches = await Promise.all(Array.from({ length: 10 }, (_, n) => batch(5 * n)));
    const made = new Set(batches.flat().flatMap((outcome) => ("value" in outcome ? outcome.value.id : [])));
    assert.equal(made.size, 20);
    assert.deepEqual(
      [await level("A"), await level("B")],
      [
        [0, 20, 0],
        [10, 20, 0],
      ],
    );
  });

  it("what is released before it is made cannot be made for a day, and holds nothing", async (parts) => {
    const { clock, product, reservations, reserve, level } = parts;
    await product("A", 5);
    const [released, again] = await Promise.all([reservations.release("r"), reservations.release("r")]);
    assert.deepEqual([released.status, again.status, released.lines], ["released", "released", []]);
    const late = () => reserve("r", [{ sku: "A", quantity: 1 }], 60_000);
    await assert.rejects(late(), (error) => isAppError(error, "RESERVATION_RELEASED"));
    await assert.rejects(reservations.confirm("r"), (error) => isAppError(error, "RESERVATION_RELEASED"));
    assert.deepEqual(await level("A"), [5, 0, 0]);
    assert.equal(await reservations.forgetFences(10), 0);
    clock.time += 24 * 60 * 60_000;
    assert.equal(await reservations.forgetFences(10), 1);
    assert.equal((await late()).status, "held");
  });

  it("a release and its reservation at the same moment leave nothing held", async (parts) => {
    const { product, reservations, reserve, level } = parts;
    await product("A", 100);
    const both = Array.from({ length: 20 }, (_, n) => [
      reserve(`r${n}`, [{ sku: "A", quantity: 1 }], 60_000).catch((error) => {
        assert.ok(isAppError(error, "RESERVATION_RELEASED"), String(error));
      }),
      reservations.release(`r${n}`),
    ]);
    await Promise.all(both.flat());
    assert.deepEqual(await level("A"), [100, 0, 0]);
  });

  it("a hold whose time has passed cannot be confirmed, and gives its stock back", async (parts) => {
    const { clock, product, reservations, reserve, level } = parts;
    await product("A", 5);
    await reserve("r", [{ sku: "A", quantity: 2 }], 1_000);
    clock.time += 1_000;
    await assert.rejects(reservations.confirm("r"), (error) => isAppError(error, "RESERVATION_EXPIRED"));
    assert.deepEqual(await level("A"), [5, 0, 0]);
    assert.equal((await reservations.release("r")).status, "expired");
    assert.equal(await reservations.expireOverdue(10), 0);
  });

  it("confirming and releasing again change nothing; the other is refused", async ({
    product,
    reservations,
    reserve,
    level,
  }) => {
    await product("A", 5);
    for (const id of ["sold", "free"]) await reserve(id, [{ sku: "A", quantity: 1 }], 60_000);
    for (let n = 0; n < 2; n += 1) {
      assert.equal((await reservations.confirm("sold")).status, "confirmed");
      assert.equal((await reservations.release("free")).status, "released");
    }
    await assert.rejects(reservations.release("sold"), (error) => isAppError(error, "RESERVATION_CONFIRMED"));
    await assert.rejects(reservations.confirm("free"), (error) => isAppError(error, "RESERVATION_RELEASED"));
    await assert.rejects(reservations.confirm("none"), (error) => isAppError(error, "RESERVATION_NOT_FOUND"));
    assert.deepEqual(await level("A"), [4, 0, 1]);
  });

  it("a reservation keeps the price it was made at", async ({ product, catalogue, reservations, reserve }) => {
    await product("A", 5);
    const made = await reserve("r", [{ sku: "A", quantity: 2 }], 60_000);
    await catalogue.update("A", 1, { price: { minorUnits: 999n, currency: "USD" } });
    assert.deepEqual((await reservations.get("r")).total, { minorUnits: 900n, currency: "EUR" });
    assert.deepEqual(await reserve("r", [{ sku: "A", quantity: 2 }], 60_000), made);
  });

  it("an adjustment is made once for each id, by whomever", async ({ product, stock, level }) => {
    await product("A", 0);
    await product("B", 0);
    const change = { id: "delivery-1", sku: "A", delta: 7, reason: "delivery" };
    await Promise.all(Array.from({ length: 10 }, () => stock.adjust(change)));
    assert.deepEqual(await level("A"), [7, 0, 0]);
    for (const other of [{ delta: 8 }, { sku: "B" }])
      await assert.rejects(stock.adjust({ ...change, ...other }), (error) => isAppError(error, "ADJUSTMENT_ID_REUSED"));
    await assert.rejects(stock.adjust({ ...change, id: "x", delta: -8 }), (error) =>
      isAppError(error, "INSUFFICIENT_STOCK"),
    );
    assert.deepEqual(
      [await level("A"), await level("B")],
      [
        [7, 0, 0],
        [0, 0, 0],
      ],
    );
  });

  it("a load that is sent again, even at the same time, counts once", async ({ stock, level, catalogue }) => {
    const lines = Array.from({ length: 20 }, (_, n) => ({
      sku: `S${n}`,
      name: `Product ${n}`,
      description: "",
      price: { minorUnits: 100n, currency: "EUR" },
      quantity: n,
    }));
    const outcomes = (await Promise.all([1, 2, 3].map(() => stock.load("monday", lines)))).flat();
    const count = (kind: string) => outcomes.filter((outcome) => outcome.kind === kind).length;
    assert.deepEqual([count("created"), count("unchanged")], [20, 40]);
    assert.deepEqual(await level("S19"), [19, 0, 0]);
    const renamed = lines.map((line) => ({ ...line, name: "new" }));
    const next = await stock.load("tuesday", renamed);
    assert.equal(
      next.every(({ kind }) => kind === "updated"),
      true,
    );
    assert.deepEqual(await level("S19"), [38, 0, 0]);
    assert.equal((await catalogue.get("S0")).name, "new");
  });

  it("loads that meet on new products all arrive", async ({ stock, level }) => {
    const lines = ["A", "B"].map((sku) => ({
      sku,
      name: sku,
      description: "",
      price: { minorUnits: 100n, currency: "EUR" },
      quantity: 1,
    }));
    await Promise.all(Array.from({ length: 8 }, (_, n) => stock.load(`load${n}`, n % 2 ? lines : lines.toReversed())));
    assert.deepEqual(
      [await level("A"), await level("B")],
      [
        [8, 0, 0],
        [8, 0, 0],
      ],
    );
  });

  it("a second line for a SKU in one load is rejected, and so is one beyond the limit", async ({ stock, product }) => {
    await product("FULL", 1_000_000_000);
    for (let n = 0; n < 999; n += 1) await stock.adjust({ id: `a${n}`, sku: "FULL", delta: 1_000_000_000, reason: "" });
    const line = { name: "x", description: "", price: { minorUnits: 1n, currency: "EUR" }, quantity: 1 };
    const outcomes = await stock.load("l", [
      { ...line, sku: "A" },
      { ...line, sku: "A", quantity: 2 },
      { ...line, sku: "FULL" },
    ]);
    assert.deepEqual(
      outcomes.map((outcome) => (outcome.kind === "rejected" ? outcome.reason : outcome.kind)),
      ["created", "DUPLICATE_LINE", "STOCK_LIMIT_EXCEEDED"],
    );
  });

  it("held pieces count toward the limit, so that giving them back cannot pass it", async (parts) => {
    const { stock, product, reservations, reserve, level } = parts;
    await product("FULL", 1_000_000_000);
    for (let n = 0; n < 998; n += 1) await stock.adjust({ id: `a${n}`, sku: "FULL", delta: 1_000_000_000, reason: "" });
    await reserve("r", [{ sku: "FULL", quantity: 1_000_000 }], 60_000);
    await stock.adjust({ id: "last", sku: "FULL", delta: 1_000_000_000, reason: "" });
    for (const delta of [1, 1_000_000])
      await assert.rejects(stock.adjust({ id: "more", sku: "FULL", delta, reason: "" }), (error) =>
        isAppError(error, "STOCK_LIMIT_EXCEEDED"),
      );
    await reservations.release("r");
    assert.deepEqual(await level("FULL"), [1_000_000_000_000, 0, 0]);
    await stock.adjust({ id: "less", sku: "FULL", delta: -1, reason: "" });
  });
}
