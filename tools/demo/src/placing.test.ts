import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { ErrorInfoSchema } from "@shoal/contracts/google/rpc/error_details";
import {
  OrderStatus,
  type PlaceOrdersRequestSchema,
  PlaceOrdersResponseSchema,
} from "@shoal/contracts/order/v1/order_service";
import { AppError } from "@shoal/kernel";
import type { PlannedOrder } from "./order-plan.ts";
import { placeOrders } from "./placing.ts";

type Request = MessageInitShape<typeof PlaceOrdersRequestSchema>;
type Result = NonNullable<MessageInitShape<typeof PlaceOrdersResponseSchema>["result"]>;

const planned = (number: number, quantity = 1): PlannedOrder => ({
  number,
  userIndex: 0,
  lines: [{ sku: "A", quantity }],
  fate: number % 2 === 0 ? "leave" : "confirm",
});

const linesOf = (order: Request["order"]) =>
  (order?.lines ?? []).map(({ sku = "", quantity = 0 }) => ({ sku, quantity }));

const placed = ({ order }: Request): Result => ({
  case: "order",
  value: { id: `id-${order?.idempotencyKey}`, status: OrderStatus.PLACED, lines: linesOf(order) },
});

const refused = (code: number, reason: string): Result => ({
  case: "error",
  value: { code, message: "no", details: [anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { reason }))] },
});

/** The stream answers nothing more. */
const silence: Result = { case: undefined };

/** Places `orders` with a service that does `answer` to each request; also answers the keys sent, in order. */
async function place(orders: readonly PlannedOrder[], answer: (request: Request, count: number) => Result) {
  const keys: string[] = [];
  const client = {
    async *placeOrders(requests: AsyncIterable<Request>, { signal }: { signal?: AbortSignal } = {}) {
      for await (const request of requests) {
        const idempotencyKey = request.order?.idempotencyKey ?? "";
        const result = answer(request, keys.push(idempotencyKey));
        if (result === silence) {
          if (!signal?.aborted) await once(signal as AbortSignal, "abort");
          throw signal?.reason;
        }
        yield create(PlaceOrdersResponseSchema, { idempotencyKey, result });
      }
    },
  };
  let answered = 0;
  const placing = await placeOrders(client, {
    plan: orders.values(),
    userIds: ["user"],
    runId: "run",
    signal: new AbortController().signal,
    onAnswer: () => {
      answered += 1;
    },
    patience: { attempts: 5, patienceMs: 0, pauseMs: 0 },
    stallMs: 50,
  });
  return { ...placing, keys, answered };
}

const unavailable = () => new AppError({ kind: "unavailable", reason: "X", domain: "test", message: "away" });

test("sorts orders into those to settle and those to leave", async () => {
  const { toSettle, left, problems, answered } = await place([planned(1), planned(2, 3), planned(3)], placed);
  assert.deepEqual(
    toSettle.map(({ id }) => id),
    ["id-run-1", "id-run-3"],
  );
  assert.deepEqual(left, { count: 1, pieces: new Map([["A", 3n]]) });
  assert.deepEqual(problems, []);
  assert.equal(answered, 3);
});

test("a stream that answers nothing more is given up for another one", async () => {
  const { keys, answered } = await place([planned(1), planned(3)], (request, count) =>
    count === 2 ? silence : placed(request),
  );
  assert.deepEqual(keys, ["run-1", "run-3", "run-3"]);
  assert.equal(answered, 2);
});

test("sends what a lost stream left unanswered again, under the same keys", async () => {
  const { keys, answered, toSettle } = await place([planned(1), planned(3), planned(5)], (request, count) => {
    if (count === 2) throw unavailable();
    return placed(request);
  });
  assert.deepEqual(keys, ["run-1", "run-3", "run-3", "run-5"]);
  assert.equal(answered, 3);
  assert.equal(toSettle.length, 3);
});

test("sends an order again that was refused for now", async () => {
  const { keys, answered } = await place([planned(1), planned(3)], (request, count) =>
    count === 1 ? refused(14, "USER_UNAVAILABLE") : placed(request),
  );
  assert.deepEqual(keys, ["run-1", "run-3", "run-1"]);
  assert.equal(answered, 2);
});

test("gives up when streams bring no answer time and again", async () => {
  const away = () => {
    throw unavailable();
  };
  await assert.rejects(place([planned(1)], away), { kind: "unavailable" });
  await assert.rejects(
    place([planned(1)], () => refused(14, "USER_UNAVAILABLE")),
    /refused for now: no/,
  );
});

test("expects sold-out products and the bad order to be refused, and nothing else", async () => {
  const { soldOut, invalid, problems } = await place([planned(1), planned(2, 0), planned(3)], (_, count) => {
    if (count === 1) return refused(9, "INSUFFICIENT_STOCK");
    return count === 2 ? refused(3, "INVALID_REQUEST") : refused(5, "USER_NOT_FOUND");
  });
  assert.equal(soldOut, 1);
  assert.deepEqual(invalid, ["no"]);
  assert.deepEqual(problems, ["order 3 was refused with USER_NOT_FOUND: no"]);
});

test("tells an order that was answered with other lines than were asked", async () => {
  const { problems } = await place([planned(1)], (request) => {
    const { idempotencyKey = "" } = request.order ?? {};
    return placed({ order: { idempotencyKey, lines: [{ sku: "A", quantity: 2 }] } });
  });
  assert.match(problems.join(), /order 1 \(id-run-1\) was answered with other lines/);
});
