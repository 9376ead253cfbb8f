import { setTimeout as sleep } from "node:timers/promises";
import type { OrderService } from "@shoal/contracts/order/v1/order_service";
import { AppError } from "@shoal/kernel";
import type { Client } from "@shoal/rpc";

/** What buyers do. */
export interface BuyersOptions {
  /** The instances that they call, by turns. */
  readonly instances: readonly Client<typeof OrderService>[];
  readonly userId: string;
  /** How many buy at once, each one order after another. */
  readonly count: number;
  /** What the buyer's next order is of, a piece of each. */
  readonly skus: () => readonly string[];
  /** Whether each order is confirmed as well. Default: false. */
  readonly confirms?: boolean;
}

/** Buyers at work. */
export interface Buyers {
  /** Ids of orders that were acknowledged. */
  readonly placed: ReadonlySet<string>;
  /** Those of which the confirmation was acknowledged too. */
  readonly confirmed: ReadonlySet<string>;
  /** How often calls failed, by reason. */
  readonly failures: ReadonlyMap<string, number>;
  /** No more orders are begun; fulfils when all that were begun are acknowledged, and rejects when one was refused for good. */
  stop(): Promise<void>;
}

/** Kinds of errors that a buyer answers by making the same call again. */
const passing: ReadonlySet<string> = new Set(["unavailable", "exhausted", "timeout", "stale"]);

/**
 * Makes a call again, after a pause, until it is answered: `call` is told how often it was made before, `onFailure` each failure
 * that was told. Rejects when the call is refused for good, or its client is closed, as a test that has failed leaves it.
 */
export async function insist<T>(
  call: (attempt: number) => Promise<T>,
  onFailure: (error: AppError) => void = () => {},
): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await call(attempt);
    } catch (error) {
      if (!(error instanceof AppError) || error.reason === "CLIENT_CLOSED") throw error;
      onFailure(error);
      if (!passing.has(error.kind)) throw error;
      await sleep(Math.min(error.retryAfterMs ?? 50, 200));
    }
  }
}

/**
 * Starts buyers that make each call again, with the same key, until it is acknowledged. Who starts them stops them; so does closing
 * their clients.
 */
export function startBuyers({ instances, userId, count, skus, confirms = false }: BuyersOptions): Buyers {
  const placed = new Set<string>();
  const confirmed = new Set<string>();
  const failures = new Map<string, number>();
  const run = crypto.randomUUID();
  let isOver = false;
  let calls = 0;

  const insistByTurns = <T>(call: (instance: Client<typeof OrderService>) => Promise<T>): Promise<T> =>
    insist(
      () => {
        calls += 1;
        return call(instances[calls % instances.length] as Client<typeof OrderService>);
      },
      ({ reason }) => failures.set(reason, (failures.get(reason) ?? 0) + 1),
    );

  const buy = async (buyer: number) => {
    for (let n = 1; !isOver; n += 1) {
      const request = {
        userId,
        idempotencyKey: `${run}-${buyer}-${n}`,
        lines: skus().map((sku) => ({ sku, quantity: 1 })),
      };
      const { order } = await insistByTurns((instance) => instance.createOrder(request));
      const orderId = order?.id ?? "";
      placed.add(orderId);
      if (!confirms) continue;
      await insistByTurns((instance) => instance.confirmOrder({ orderId, paymentReference: orderId }));
      confirmed.add(orderId);
    }
  };
  const all = Promise.all(Array.from({ length: count }, (_, buyer) => buy(buyer)));
  // Told by `stop`.
  all.catch(() => {});
  return {
    placed,
    confirmed,
    failures,
    stop: async () => {
      isOver = true;
      await all;
    },
  };
}
