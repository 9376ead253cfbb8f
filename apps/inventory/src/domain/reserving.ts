import { AppError, crashPoint } from "@shoal/kernel";
import type { InventoryTransaction } from "./inventory-store.ts";
import { skuNotFound } from "./product.ts";
import {
  isFence,
  isFor,
  type Offer,
  price,
  type RequestedLine,
  type Reservation,
  reservationEnded,
  reservationIdReused,
} from "./reservation.ts";
import type { StockMove } from "./stock.ts";

/** Stock to hold for a while. */
export interface ReserveRequest {
  readonly id: string;
  /** At least one; each SKU once. */
  readonly lines: readonly RequestedLine[];
  readonly timeToLiveMs: number;
}

/** What became of a request: the reservation, which is the one of an earlier request where that was the same, or why not. */
export type ReserveOutcome = { readonly value: Reservation } | { readonly error: AppError };

/**
 * Decides requests one after the other, first come, first served, each for all its lines or none, as if each had a transaction
 * of its own; the products of all of them are locked once. Answers an outcome for each, in their order.
 */
export async function reserveAll(
  tx: InventoryTransaction,
  requests: readonly ReserveRequest[],
  nowMs: number,
): Promise<readonly ReserveOutcome[]> {
  const skus = [...new Set(requests.flatMap(({ lines }) => lines.map(({ sku }) => sku)))];
  const products = await tx.lock(skus);
  const known = await tx.findReservations(requests.map(({ id }) => id));
  const offers = new Map<string, Offer & { available: number }>();
  for (const [sku, { product, stock }] of products)
    offers.set(sku, { sku, price: product.price, available: stock.available });

  const reservations = new Map(known.map((reservation) => [reservation.id, reservation]));
  const made: Reservation[] = [];
  const reserve = ({ id, lines, timeToLiveMs }: ReserveRequest): Reservation => {
    const earlier = reservations.get(id);
    if (earlier !== undefined) {
      if (isFence(earlier)) throw reservationEnded(id, "released");
      if (!isFor(earlier, lines)) throw reservationIdReused(id);
      return earlier;
    }
    const priced = price(lines, offers, skuNotFound);
    const reservation: Reservation = {
      id,
      status: "held",
      ...priced,
      createdAtMs: nowMs,
      expiresAtMs: nowMs + timeToLiveMs,
    };
    for (const { sku, quantity } of lines) {
      const offer = offers.get(sku);
      if (offer !== undefined) offer.available -= quantity;
    }
    reservations.set(id, reservation);
    made.push(reservation);
    return reservation;
  };
  const outcomes = requests.map((request): ReserveOutcome => {
    try {
      return { value: reserve(request) };
    } catch (error) {
      if (error instanceof AppError) return { error };
      throw error;
    }
  });
  await tx.insertReservations(made);
  crashPoint("mid-reserve");
  await tx.move(movesOf(made, (quantity) => ({ available: -quantity, held: quantity })));
  return outcomes;
}

/** What the lines of reservations move together, once for each SKU. */
export function movesOf(
  reservations: readonly Reservation[],
  moveOf: (quantity: number) => Omit<StockMove, "sku">,
): readonly StockMove[] {
  const quantities = new Map<string, number>();
  for (const { lines } of reservations)
    for (const { sku, quantity } of lines) quantities.set(sku, (quantities.get(sku) ?? 0) + quantity);
  return [...quantities].map(([sku, quantity]) => ({ sku, ...moveOf(quantity) }));
}
