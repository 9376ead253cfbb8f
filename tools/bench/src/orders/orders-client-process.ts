// The callers of the orders bench: `orders-client-process.ts SUBJECT`, told what to do by orders-bench.ts.
import { createHistogram } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import {
  type CreateOrderRequest,
  CreateOrderRequestSchema,
  type CreateOrderResponse,
} from "@shoal/contracts/order/v1/order_service";
import { obeyParent } from "../rpc/parent-link.ts";
import { createOrderDefinition } from "./create-order.ts";

/** Where orders go, and of what. */
export interface OrdersShop {
  /** HOST:PORT. */
  readonly address: string;
  readonly userIds: readonly string[];
  readonly hotSku: string;
  readonly skus: readonly string[];
}

/** How orders are placed. */
export interface OrdersLoad {
  /** Each places its next order when the one before is answered. */
  readonly callers: number;
  /** Of any of the SKUs, or all of the hot one. */
  readonly spread: boolean;
}

/** What came of the orders that were answered in a time. */
export interface OrdersMeasured {
  readonly seconds: number;
  readonly orders: number;
  /** From an order's first attempt to its answer, refusals and the pauses after them included; undefined without orders. */
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  /** Attempts that were refused, and made again. */
  readonly refused: number;
  /** Orders that were given up. */
  readonly failed: number;
  /** Why the first one was given up. */
  readonly failure: string | undefined;
  readonly cpuMicros: number;
}

/** What the bench may ask of the callers. */
export interface OrdersClientTasks {
  connect(shop: OrdersShop): Promise<void>;
  /** Begins to place orders, until `end`. */
  begin(load: OrdersLoad): Promise<void>;
  /** Counts from now on, until `read`. */
  count(): Promise<void>;
  read(): Promise<OrdersMeasured>;
  /** Fulfils when no order is under way. */
  end(): Promise<void>;
}

/** An attempt's deadline, and how long an order is tried, in milliseconds: later than the service's own. */
const timeoutMs = 10_000;

/** Pauses after refusals, as the contract has it: the first and the longest, in milliseconds, half of them by chance. */
const firstPauseMs = 50;
const longestPauseMs = 1_000;

const nanosInMs = 1_000_000;
const run = `${process.pid.toString(36)}-${Date.now().toString(36)}`;
const { path, requestSerialize, responseDeserialize } = createOrderDefinition;

let client: Client | undefined;
let shop: OrdersShop | undefined;
let orders = 0;
let stopped = false;
let callers: Promise<unknown> = Promise.resolve();
let counted = newCount();

function newCount() {
  return {
    since: performance.now(),
    cpu: process.cpuUsage(),
    latencies: createHistogram(),
    refused: 0,
    failed: 0,
    failure: undefined as string | undefined,
  };
}

/** An order of its own: the next user's, of one piece. */
function newOrder({ userIds, hotSku, skus }: OrdersShop, spread: boolean): CreateOrderRequest {
  orders += 1;
  const sku = spread ? (skus[Math.floor(Math.random() * skus.length)] ?? hotSku) : hotSku;
  return create(CreateOrderRequestSchema, {
    idempotencyKey: `${run}-${orders.toString(36)}`,
    userId: userIds[orders % userIds.length] ?? "",
    lines: [{ sku, quantity: 1 }],
  });
}

function attempt(to: Client, request: CreateOrderRequest): Promise<ServiceError | undefined> {
  return new Promise((resolve) => {
    const answered = (error: ServiceError | null, response?: CreateOrderResponse) => {
      if (error === null && response?.order?.userId !== request.userId)
        resolve(Object.assign(new Error("was answered another's order"), { code: status.INTERNAL }) as ServiceError);
      else resolve(error ?? undefined);
    };
    const deadline = Date.now() + timeoutMs;
    to.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, { deadline }, answered);
  });
}

/** Places one order, as often as it is refused. */
async function place(to: Client, request: CreateOrderRequest): Promise<void> {
  const begunAt = performance.now();
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    const error = await attempt(to, request);
    const now = performance.now();
    if (error === undefined) {
      counted.latencies.record(Math.max(1, Math.round((now - begunAt) * nanosInMs)));
      return;
    }
    const isRefused = error.code === status.RESOURCE_EXHAUSTED && now - begunAt < timeoutMs;
    if (isRefused) counted.refused += 1;
    else {
      counted.failed += 1;
      counted.failure ??= `${status[error.code]}: ${error.details ?? error.message}`;
    }
    await sleep(pauseMs / 2 + (Math.random() * pauseMs) / 2);
    if (!isRefused) return;
  }
}

obeyParent<OrdersClientTasks>({
  connect: async (there) => {
    shop = there;
    client = new Client(there.address, credentials.createInsecure());
  },
  begin: async ({ callers: count, spread }) => {
    if (client === undefined || shop === undefined) throw new Error("not connected");
    const [to, at] = [client, shop];
    stopped = false;
    const caller = async () => {
      while (!stopped) await place(to, newOrder(at, spread));
    };
    callers = Promise.all(Array.from({ length: count }, caller));
  },
  count: async () => {
    counted = newCount();
  },
  read: async () => {
    const { since, cpu, latencies, refused, failed, failure } = counted;
    const { user, system } = process.cpuUsage(cpu);
    const ms = (part: number) => (latencies.count === 0 ? undefined : latencies.percentile(part) / nanosInMs);
    return {
      seconds: (performance.now() - since) / 1_000,
      orders: latencies.count,
      p50Ms: ms(50),
      p99Ms: ms(99),
      refused,
      failed,
      failure,
      cpuMicros: user + system,
    };
  },
  end: async () => {
    stopped = true;
    await callers;
  },
});
