import { randomFrom } from "@shoal/kernel";
import type { Product } from "./catalogue.ts";

/** What is to become of an order once it is placed. */
export type Fate = "confirm" | "cancel" | "leave";

/** An order to place. */
export interface PlannedOrder {
  /** From 1, in the order in which they are sent. */
  readonly number: number;
  /** Which of the run's users orders, from 0. */
  readonly userIndex: number;
  readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
  readonly fate: Fate;
}

/** What {@link planOrders} plans for. */
export interface PlanOptions {
  /** How many orders, from 1. */
  readonly count: number;
  /** How many users order, from 1. */
  readonly users: number;
  readonly products: readonly Product[];
  /** Any whole number; the same one plans the same orders. */
  readonly seed: number;
}

/** Of the orders, the share that wants the scarcest product too: far more than there is. */
const scarceShare = 0.06;
const confirmedShare = 0.75;
const cancelledShare = 0.15;

/** The product of which there is least: the one that the plan wants more of than there is. */
export function scarcestOf(products: readonly Product[]): Product {
  return products.reduce((least, product) => (product.quantity < least.quantity ? product : least));
}

/**
 * Plans orders one at a time, so that any number of them takes no memory: one to four different products each, some
 * wanted far more than others. One order in the middle is bad: its quantity is 0.
 */
export function* planOrders({ count, users, products, seed }: PlanOptions): Generator<PlannedOrder, void, undefined> {
  const random = randomFrom(seed);
  const scarce = scarcestOf(products);
  const bad = Math.ceil(count / 2);
  for (let number = 1; number <= count; number += 1) {
    const quantities = new Map<string, number>();
    if (random() < scarceShare) quantities.set(scarce.sku, 1);
    for (let lines = 1 + below(random() ** 2, 4); lines > 0; lines -= 1) {
      // Squared: the first tenth of the catalogue gets about a third of the lines.
      const product = products[below(random() ** 2, products.length)];
      if (product !== undefined && product !== scarce) quantities.set(product.sku, 1 + below(random() ** 3, 5));
    }
    if (quantities.size === 0) quantities.set(scarce.sku, 1);
    if (number === bad) for (const [sku] of [...quantities].slice(0, 1)) quantities.set(sku, 0);
    const lines = [...quantities].map(([sku, quantity]) => ({ sku, quantity }));
    yield { number, userIndex: below(random(), users), lines, fate: fateAt(random()) };
  }
}

function fateAt(share: number): Fate {
  if (share < confirmedShare) return "confirm";
  return share < confirmedShare + cancelledShare ? "cancel" : "leave";
}

/** A whole number from 0, below `limit`, for a `share` from 0, below 1. */
function below(share: number, limit: number): number {
  return Math.floor(share * limit);
}
