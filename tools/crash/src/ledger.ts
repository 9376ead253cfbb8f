import { type Order, OrderStatus } from "@shoal/contracts/order/v1/order_service";
import type { AppError } from "@shoal/kernel";

/** What somebody wants to have. */
export interface Wish {
  readonly userId: string;
  readonly idempotencyKey: string;
  readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
}

/** How an order has ended, as its row says it. */
export type End = "confirmed" | "cancelled" | "expired";

/** An order that was acknowledged. */
export interface NotedOrder {
  readonly id: string;
  readonly userId: string;
  /** Line by line: `SKU QUANTITY at PRICE`. */
  readonly lines: readonly string[];
  /** As it was acknowledged; undefined: nobody was told. */
  end: End | undefined;
}

/** Notes what clients were told, and that they were not told two things. */
export class Ledger {
  /** What each idempotency key of a user was answered with; undefined while it is not. */
  readonly #answers = new Map<string, string | undefined>();
  readonly #orders = new Map<string, NotedOrder>();
  readonly #adjusted = new Map<string, number>();
  readonly #users = new Set<string>();
  readonly #problems: string[] = [];
  #refused = 0;

  /** Somebody begins to ask. */
  asks({ userId, idempotencyKey }: Wish): void {
    this.#answers.set(`${userId} ${idempotencyKey}`, undefined);
  }

  /** A wish was answered with an order, as it was placed. */
  placed(wish: Wish, order: Order | undefined): void {
    if (order === undefined) {
      this.problem(`${wish.idempotencyKey} was answered with nothing`);
      return;
    }
    const { id, userId, status } = order;
    const lines = order.lines.map(({ sku, quantity, unitPrice }) => `${sku} ${quantity} at ${unitPrice?.minorUnits}`);
    const isAsAsked = order.lines.every(({ sku, quantity }, at) => {
      const line = wish.lines[at];
      return line?.sku === sku && line.quantity === quantity;
    });
    if (!isAsAsked || order.lines.length !== wish.lines.length || userId !== wish.userId)
      this.problem(`${wish.idempotencyKey} was answered with another order: ${id} of ${lines}`);
    this.#answered(wish, `order ${id} ${OrderStatus[status]} of ${lines}`);
    if (!this.#orders.has(id)) this.#orders.set(id, { id, userId, lines, end: undefined });
  }

  /** A wish was refused for good. */
  refused(wish: Wish, { reason, message }: AppError): void {
    if (this.#answered(wish, `${reason}: ${message}`)) this.#refused += 1;
  }

  /** Somebody was told that an order has ended so. */
  ended(id: string, end: End): void {
    const order = this.#orders.get(id);
    if (order === undefined) {
      this.problem(`order ${id} is ${end}, and nobody was told that it was placed`);
      return;
    }
    if (order.end !== undefined && order.end !== end)
      this.problem(`order ${id} was ${order.end} for one, and is ${end} for another`);
    order.end ??= end;
  }

  /** Pieces were added once. */
  adjusted(sku: string, delta: number): void {
    this.#adjusted.set(sku, (this.#adjusted.get(sku) ?? 0) + delta);
  }

  /** A user was created. */
  created(userId: string): void {
    this.#users.add(userId);
  }

  /** Something that must not be. */
  problem(text: string): void {
    this.#problems.push(text);
  }

  get orders(): ReadonlyMap<string, NotedOrder> {
    return this.#orders;
  }

  /** The pieces that there are of each SKU, sold ones included. */
  get pieces(): ReadonlyMap<string, number> {
    return this.#adjusted;
  }

  get users(): ReadonlySet<string> {
    return this.#users;
  }

  /** Wishes that were refused. */
  get refusals(): number {
    return this.#refused;
  }

  /** All that was noted as wrong, and keys that have no answer: to be read when nobody asks any more. */
  get problems(): readonly string[] {
    const unanswered = [...this.#answers].filter(([, answer]) => answer === undefined);
    return [...this.#problems, ...unanswered.map(([key]) => `${key} was never answered`)];
  }

  /** Answers whether it is the first answer. */
  #answered({ userId, idempotencyKey }: Wish, answer: string): boolean {
    const key = `${userId} ${idempotencyKey}`;
    const first = this.#answers.get(key);
    if (first === undefined) this.#answers.set(key, answer);
    else if (first !== answer) this.problem(`${idempotencyKey} was answered with ${first}, and then with ${answer}`);
    return first === undefined;
  }
}
