import { setTimeout as sleep } from "node:timers/promises";
import { OrderStatus } from "@shoal/contracts/order/v1/order_service";
import { AppError } from "@shoal/kernel";
import { isFault, isPassing } from "./failure.ts";
import type { Stage } from "./stage.ts";

/** The pause before a watch that broke off is begun again, in milliseconds. */
const againMs = 50;

/** Watches of orders and of stock, which go on over all crashes, each from the token that it had last. */
export interface Watches {
  /** What each order was seen to become, in the order seen: `PLACED`, `CONFIRMED`, … */
  readonly orders: ReadonlyMap<string, readonly string[]>;
  /** The level of each SKU that was seen last: pieces available, held and sold. */
  readonly levels: ReadonlyMap<string, string>;
  /** How often a watch was begun again. */
  readonly resumed: number;
  /** Why a watch could not go on, and what it should not have ended with before it was begun again, in words. */
  readonly problems: readonly string[];
  /** Ends them. */
  close(): Promise<void>;
}

/** Begins to watch the orders of each user, and the levels of all SKUs. The caller closes it. */
export function beginWatches(
  { orders, inventories }: Pick<Stage, "orders" | "inventories">,
  userIds: readonly string[],
  skus: readonly string[],
): Watches {
  const controller = new AbortController();
  const { signal } = controller;
  const seen = new Map<string, string[]>();
  const levels = new Map<string, string>();
  const problems: string[] = [];
  let resumed = 0;

  /** Follows a watch, on one instance after the other. */
  const follow = async <A extends { readonly resumeToken: string }>(
    watch: (attempt: number, resumeToken: string) => AsyncIterable<A>,
    see: (answer: A) => void,
  ): Promise<void> => {
    let resumeToken = "";
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      if (attempt > 0) resumed += 1;
      try {
        for await (const answer of watch(attempt, resumeToken)) {
          resumeToken = answer.resumeToken;
          see(answer);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof AppError && isPassing(error))) {
          problems.push(`a watch failed: ${error}`);
          return;
        }
        if (isFault(error)) problems.push(`a watch ended with ${error.reason}: ${error.message}`);
      }
      await sleep(againMs, undefined, { signal }).catch(() => {});
    }
  };

  const watching = [
    ...userIds.map((value) =>
      follow(
        (attempt, resumeToken) => {
          const client = orders[attempt % orders.length] as (typeof orders)[number];
          return client.watchOrders({ target: { case: "userId", value }, resumeToken }, { signal });
        },
        ({ order }) => {
          const { id = "", status = OrderStatus.UNSPECIFIED } = order ?? {};
          const statuses = seen.get(id);
          if (statuses === undefined) seen.set(id, [OrderStatus[status]]);
          else statuses.push(OrderStatus[status]);
        },
      ),
    ),
    follow(
      (attempt, resumeToken) => {
        const client = inventories[attempt % inventories.length] as (typeof inventories)[number];
        return client.watchStock({ skus: [...skus], resumeToken }, { signal });
      },
      ({ stock }) => {
        const { sku = "", available, held, sold } = stock ?? {};
        levels.set(sku, `${available} ${held} ${sold}`);
      },
    ),
  ];
  return {
    orders: seen,
    levels,
    get resumed() {
      return resumed;
    },
    problems,
    close: async () => {
      controller.abort();
      await Promise.all(watching);
    },
  };
}
