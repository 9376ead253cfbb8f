import { setTimeout as sleep } from "node:timers/promises";
import { anyUnpack, timestampMs } from "@bufbuild/protobuf/wkt";
import { ErrorInfoSchema } from "@shoal/contracts/google/rpc/error_details";
import type { Status } from "@shoal/contracts/google/rpc/status";
import { type Order, type OrderService, OrderStatus } from "@shoal/contracts/order/v1/order_service";
import type { Client } from "@shoal/rpc";
import { DemoError } from "./demo-error.ts";
import type { Fate, PlannedOrder } from "./order-plan.ts";
import { defaultPatience, isTransient, type Patience } from "./retry.ts";
import { type Pieces, Tally } from "./stock-check.ts";

/** What {@link placeOrders} needs. */
export interface PlacingOptions {
  readonly plan: Iterator<PlannedOrder>;
  /** The users that the plan's `userIndex` points into. */
  readonly userIds: readonly string[];
  /** Unlike that of every other run; the orders' idempotency keys begin with it. */
  readonly runId: string;
  readonly signal: AbortSignal;
  /** Told of each order that has been answered. */
  readonly onAnswer: () => void;
  /** How long to go on with streams that do not answer every order; half a minute unless given. */
  readonly patience?: Patience;
  /** After how long without an answer a stream is given up for another one, in milliseconds; 10,000 unless given. */
  readonly stallMs?: number;
}

/** What became of the orders. */
export interface Placing {
  /** Those that were placed and are to be confirmed or cancelled. */
  readonly toSettle: readonly { readonly id: string; readonly number: number; readonly fate: Fate }[];
  /** How many were placed and are to be left so, and their pieces. */
  readonly left: { readonly count: number; readonly pieces: Pieces };
  /** When the first of the placed orders expires: milliseconds since the epoch. */
  readonly firstExpiryMs: number;
  /** Refused because there was not enough stock. */
  readonly soldOut: number;
  /** Why the orders that break the contract's rules were refused. */
  readonly invalid: readonly string[];
  /** What should not have happened: one line each. */
  readonly problems: readonly string[];
}

/**
 * Sends the planned orders on one PlaceOrders stream, as fast as the service takes them, and waits for all answers.
 * What a lost stream leaves unanswered, and what was refused for a transient reason, goes out on another stream under
 * the same idempotency keys: no order is lost, and none is placed twice. Throws when that does not help.
 */
export async function placeOrders(
  client: Pick<Client<typeof OrderService>, "placeOrders">,
  options: PlacingOptions,
): Promise<Placing> {
  const { plan, userIds, runId, signal, onAnswer, patience = defaultPatience, stallMs = 10_000 } = options;
  const unanswered = new Map<string, PlannedOrder>();
  const outcome = createOutcome();

  async function* requests() {
    for (const [key, order] of [...unanswered]) yield requestFor(key, order);
    for (let next = plan.next(); next.done !== true; next = plan.next()) {
      const key = `${runId}-${next.value.number}`;
      unanswered.set(key, next.value);
      yield requestFor(key, next.value);
    }
  }
  const requestFor = (idempotencyKey: string, { userIndex, lines }: PlannedOrder) => ({
    order: { idempotencyKey, userId: userIds[userIndex] ?? "", lines: [...lines] },
  });

  let fruitless = 0;
  let fruitfulAt = performance.now();
  for (;;) {
    let failure: unknown;
    const stalled = new AbortController();
    const stall = setTimeout(() => stalled.abort(), stallMs);
    try {
      const either = AbortSignal.any([signal, stalled.signal]);
      for await (const { idempotencyKey, result } of client.placeOrders(requests(), { signal: either })) {
        stall.refresh();
        const order = unanswered.get(idempotencyKey);
        if (order === undefined) throw new DemoError(`PlaceOrders answered an unknown key: ${idempotencyKey}`);
        if (result.case === "error" && transientCodes.has(result.value.code)) {
          failure = new DemoError(`orders are refused for now: ${result.value.message}`);
          continue;
        }
        unanswered.delete(idempotencyKey);
        fruitless = 0;
        fruitfulAt = performance.now();
        if (result.case === "order") outcome.placed(order, result.value);
        else outcome.refused(order, result.value);
        onAnswer();
      }
    } catch (error) {
      if (signal.aborted) throw error;
      if (stalled.signal.aborted) failure = new DemoError(`PlaceOrders answered nothing for ${stallMs} ms`);
      else if (isTransient(error)) failure = error;
      else throw error;
    } finally {
      clearTimeout(stall);
    }
    if (failure === undefined && unanswered.size === 0) return outcome.result();
    failure ??= new DemoError(`PlaceOrders ended and left ${unanswered.size} orders unanswered`);
    fruitless += 1;
    if (fruitless > patience.attempts && performance.now() - fruitfulAt >= patience.patienceMs) throw failure;
    await sleep(patience.pauseMs, undefined, { signal });
  }
}

/** gRPC's codes for what may succeed later: DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, INTERNAL, UNAVAILABLE. */
const transientCodes = new Set([4, 8, 10, 13, 14]);

/** Problems that are kept; more would only repeat them. */
const maxProblems = 20;

function createOutcome() {
  const toSettle: Placing["toSettle"][number][] = [];
  const left = new Tally();
  const invalid: string[] = [];
  const problems: string[] = [];
  let leftCount = 0;
  let firstExpiryMs = Number.POSITIVE_INFINITY;
  let soldOut = 0;
  const problem = (text: string) => {
    if (problems.length < maxProblems) problems.push(text);
  };
  return {
    placed: ({ number, fate, lines }: PlannedOrder, order: Order) => {
      if (order.status !== OrderStatus.PLACED || !sameLines(lines, order.lines))
        problem(
          `order ${number} (${order.id}) was answered with other lines or another status than it was placed with`,
        );
      if (order.expireTime !== undefined) firstExpiryMs = Math.min(firstExpiryMs, timestampMs(order.expireTime));
      if (fate === "leave") {
        leftCount += 1;
        left.add(order.lines);
      } else toSettle.push({ id: order.id, number, fate });
    },
    refused: ({ number, lines }: PlannedOrder, status: Status | undefined) => {
      const reason = reasonOf(status);
      const isInvalid = lines.some(({ quantity }) => quantity === 0);
      if (reason === "INVALID_REQUEST" && isInvalid) invalid.push(status?.message ?? "");
      else if (reason === "INSUFFICIENT_STOCK" && !isInvalid) soldOut += 1;
      else problem(`order ${number} was refused with ${reason}: ${status?.message}`);
    },
    result: (): Placing => ({
      toSettle,
      left: { count: leftCount, pieces: left.pieces },
      firstExpiryMs,
      soldOut,
      invalid,
      problems,
    }),
  };
}

type Lines = PlannedOrder["lines"];

function sameLines(planned: Lines, answered: Lines): boolean {
  return (
    planned.length === answered.length &&
    planned.every(({ sku, quantity }, at) => answered[at]?.sku === sku && answered[at].quantity === quantity)
  );
}

function reasonOf(status: Status | undefined): string {
  for (const detail of status?.details ?? []) {
    const info = anyUnpack(detail, ErrorInfoSchema);
    if (info !== undefined) return info.reason;
  }
  return `code ${status?.code}`;
}
