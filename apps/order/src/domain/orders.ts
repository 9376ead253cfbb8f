import { type Clock, crashPoint, isAppError } from "@shoal/kernel";
import {
  asPlaced,
  fingerprintOf,
  type HoldEnd,
  holdEnded,
  type Intent,
  idempotencyKeyReused,
  isFinal,
  isFor,
  type Order,
  orderBusy,
  orderEnded,
  orderIdOf,
  orderNotFound,
  type RequestedLine,
  statusAfter,
  userInactive,
  userNotFound,
} from "./order.ts";
import type { FirstAnswer, OrderPosition, OrderStore, StockHolds, UserDirectory } from "./ports.ts";

/** How long a change may be under way before the settling job takes it for one that a crash has left behind. */
const abandonedAfterMs = 10_000;

/** How long the settling job leaves an order alone that it could not settle, so that the others get their turn. */
const postponedForMs = 30_000;

/** What a run of the settling job has done. */
export interface SettleReport {
  /** Orders that were due. */
  readonly found: number;
  /** How many of them ended so. */
  readonly confirmed: number;
  readonly cancelled: number;
  readonly expired: number;
  /** How many could not be settled, and are tried again later. */
  readonly failed: number;
}

/** What can be done with orders. */
export type Orders = ReturnType<typeof createOrders>;

/** What {@link createOrders} needs. */
export interface OrdersParts {
  readonly store: OrderStore;
  readonly users: UserDirectory;
  readonly stock: StockHolds;
  readonly clock: Clock;
  /** How long a placed order's stock is held. */
  readonly holdMs: number;
}

/** The use cases of the order service. Errors are the constructors in `order.ts`. */
export function createOrders({ store, users, stock, clock, holdMs }: OrdersParts) {
  const get = async (id: string): Promise<Order> => {
    const order = await store.find(id);
    if (order === undefined) throw orderNotFound(id);
    return order;
  };

  /** Ends a placed order as its hold has ended; answers it as it is then, whoever ended it. */
  const settle = async (id: string, intent: Intent | undefined, holdEnd: HoldEnd): Promise<Order> => {
    crashPoint("after-hold-end");
    await store.end(id, statusAfter(intent, holdEnd), clock.now());
    return await get(id);
  };

  /** Begins a change of a placed order; answers the order instead when it has ended. */
  const begin = async (id: string, intent: Intent, paymentReference?: string): Promise<Order | undefined> => {
    if (await store.begin(id, intent, paymentReference, clock.now() + abandonedAfterMs)) {
      crashPoint("after-intent");
      return undefined;
    }
    const order = await get(id);
    if (order.status === "placed") throw orderBusy(id);
    return order;
  };

  /** The first answer to a request, once more. */
  const again = (id: string, lines: readonly RequestedLine[], first: FirstAnswer): Order => {
    if ("order" in first) {
      if (!isFor(first.order, lines)) throw idempotencyKeyReused(id);
      return asPlaced(first.order);
    }
    if (first.refusal.fingerprint !== fingerprintOf(lines)) throw idempotencyKeyReused(id);
    throw first.refusal.error;
  };

  const placeFirst = async (id: string, userId: string, lines: readonly RequestedLine[]): Promise<Order> => {
    const active = await users.isActive(userId);
    if (active === undefined) throw userNotFound(userId);
    if (!active) throw userInactive(userId);

    const { isHeld, ...held } = await stock.hold(id, lines, holdMs);
    crashPoint("after-hold");
    if (isHeld) {
      const now = clock.now();
      const order: Order = {
        id,
        userId,
        status: "placed",
        intent: undefined,
        paymentReference: undefined,
        ...held,
        // Not the hold's own end: the inventory's clock may be behind or ahead of this one.
        settleAtMs: now + holdMs,
        createdAtMs: now,
        updatedAtMs: now,
      };
      if (await store.insert(order)) return order;
    }
    // Somebody else has answered the same request meanwhile; or nobody has, and the hold is gone.
    const other = await store.findFirst(id);
    if (other === undefined) throw holdEnded(id);
    // There will be no order, so nobody else would give it back before its time.
    if (isHeld && "refusal" in other) await stock.release(id);
    return again(id, lines, other);
  };

  return {
    get,

    /** The orders that exist of `ids`, in no order. */
    getAll: (ids: readonly string[]): Promise<readonly Order[]> => store.findAll(ids),

    /**
     * Places an order: the user must be active and all lines in stock. The same user, key and lines again get the first
     * answer again. Stock that was held by an attempt that failed later is given back by the inventory in time; the
     * same attempt repeated before that goes on where it stopped.
     */
    place: async (userId: string, idempotencyKey: string, lines: readonly RequestedLine[]): Promise<Order> => {
      const id = orderIdOf(userId, idempotencyKey);
      try {
        return await placeFirst(id, userId, lines);
      } catch (error) {
        const refusal = isFinal(error) && { id, fingerprint: fingerprintOf(lines), error, atMs: clock.now() };
        // What was answered before does not depend on who can be asked now. What ends the matter for the caller, a refusal or
        // that the key is another's, is told only when that is known.
        let first = await store.findFirst(id).catch((unknown) => {
          throw refusal || isAppError(error, "IDEMPOTENCY_KEY_REUSED") ? unknown : error;
        });
        if (first === undefined && refusal && !(await store.refuse(refusal))) first = await store.findFirst(id);
        if (first === undefined) throw error;
        return again(id, lines, first);
      }
    },

    /** Up to `limit` orders of a user after `before` (undefined: from the newest), newest first. */
    list: (userId: string, before: OrderPosition | undefined, limit: number): Promise<readonly Order[]> =>
      store.list(userId, before, limit),

    /** Sells the held stock against a payment. */
    confirm: async (id: string, paymentReference: string): Promise<Order> => {
      const order =
        (await begin(id, "confirm", paymentReference)) ?? (await settle(id, "confirm", await stock.confirm(id)));
      if (order.status !== "confirmed" || order.paymentReference !== paymentReference) throw orderEnded(order);
      return order;
    },

    /** Gives the held stock back. */
    cancel: async (id: string): Promise<Order> => {
      const order = (await begin(id, "cancel")) ?? (await settle(id, "cancel", await stock.release(id)));
      if (order.status !== "cancelled") throw orderEnded(order);
      return order;
    },

    /**
     * Finishes up to `limit` orders that are past their time, or whose change a crash has left half done; answers what
     * it did. One that fails is reported to `onError` and postponed. When `signal` aborts it begins no other.
     */
    settleOverdue: async (
      limit: number,
      onError: (order: Order, error: unknown) => void,
      signal: AbortSignal,
    ): Promise<SettleReport> => {
      const unsettled = await store.findUnsettled(clock.now(), limit);
      const report = { found: unsettled.length, confirmed: 0, cancelled: 0, expired: 0, failed: 0 };
      for (const order of unsettled) {
        if (signal.aborted) break;
        const { id, intent } = order;
        try {
          const holdEnd = intent === "confirm" ? await stock.confirm(id) : await stock.release(id);
          crashPoint("mid-settle");
          const { status } = await settle(id, intent, holdEnd);
          if (status !== "placed") report[status] += 1;
        } catch (error) {
          // Cut off, not failed: it keeps its turn.
          if (signal.aborted) break;
          report.failed += 1;
          onError(order, error);
          await store.postpone(id, clock.now() + postponedForMs);
        }
      }
      return report;
    },
  };
}
