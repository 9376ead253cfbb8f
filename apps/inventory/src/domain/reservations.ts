import type { Clock } from "@shoal/kernel";
import { CollisionError, type InventoryStore, type InventoryTransaction } from "./inventory-store.ts";
import { skuNotFound } from "./product.ts";
import {
  isFor,
  price,
  type RequestedLine,
  type Reservation,
  reservationEnded,
  reservationIdReused,
  reservationNotFound,
} from "./reservation.ts";
import type { StockMove } from "./stock.ts";

/** What can be done with reservations. */
export type Reservations = ReturnType<typeof createReservations>;

/**
 * The use cases about reservations. Errors are the constructors in `reservation.ts`. `onChange` is told the SKUs whose
 * levels have changed, after the commit.
 */
export function createReservations(parts: {
  store: InventoryStore;
  clock: Clock;
  onChange: (skus: readonly string[]) => void;
}) {
  const { store, clock, onChange } = parts;

  /** Ends the hold as `wanted`, or as expired when its time has passed; answers the reservation as it then is. */
  const end = async (id: string, wanted: "confirmed" | "released"): Promise<Reservation> => {
    const endOnce = async (tx: InventoryTransaction) => {
      const [found] = await tx.lockReservations([id]);
      if (found === undefined) throw reservationNotFound(id);
      if (found.status !== "held") return { reservation: found, ended: false };
      const status = found.expiresAtMs <= clock.now() ? "expired" : wanted;
      await endHolds(tx, [found], status);
      const reservation: Reservation = { ...found, status };
      return { reservation, ended: true };
    };
    const { reservation, ended } = await store.transaction(endOnce);
    if (ended) onChange(skusOf([reservation]));
    return reservation;
  };

  return {
    get: async (id: string): Promise<Reservation> => {
      const reservation = await store.findReservation(id);
      if (reservation === undefined) throw reservationNotFound(id);
      return reservation;
    },

    /** Holds all lines or none. The same request again answers the reservation as it is now. */
    reserve: async (id: string, lines: readonly RequestedLine[], timeToLiveMs: number): Promise<Reservation> => {
      const reserveOnce = async (tx: InventoryTransaction) => {
        const products = await tx.lock(lines.map((line) => line.sku));
        const earlier = await tx.findReservation(id);
        if (earlier !== undefined) {
          if (!isFor(earlier, lines)) throw reservationIdReused(id);
          return { reservation: earlier, made: false };
        }
        const offers = new Map(
          [...products].map(([sku, { product, stock }]) => [
            sku,
            { sku, price: product.price, available: stock.available },
          ]),
        );
        const createdAtMs = clock.now();
        const reservation: Reservation = {
          id,
          status: "held",
          ...price(lines, offers, skuNotFound),
          createdAtMs,
          expiresAtMs: createdAtMs + timeToLiveMs,
        };
        await tx.insertReservation(reservation);
        await tx.move(lines.map(({ sku, quantity }) => ({ sku, available: -quantity, held: quantity })));
        return { reservation, made: true };
      };
      try {
        const { reservation, made } = await store.transaction(reserveOnce);
        if (made) onChange(skusOf([reservation]));
        return reservation;
      } catch (error) {
        // The locks on the SKUs order all uses of the id but those for other lines.
        throw error instanceof CollisionError ? reservationIdReused(id) : error;
      }
    },

    /** Turns the hold into a sale; one that is sold stays sold. */
    confirm: async (id: string): Promise<Reservation> => {
      const reservation = await end(id, "confirmed");
      if (reservation.status === "released" || reservation.status === "expired")
        throw reservationEnded(id, reservation.status);
      return reservation;
    },

    /** Gives the stock back; a hold that is released or expired stays so. */
    release: async (id: string): Promise<Reservation> => {
      const reservation = await end(id, "released");
      if (reservation.status === "confirmed") throw reservationEnded(id, reservation.status);
      return reservation;
    },

    /** Ends up to `limit` holds whose time has passed; answers how many it looked at. */
    expireOverdue: async (limit: number): Promise<number> => {
      const nowMs = clock.now();
      const ids = await store.findOverdue(nowMs, limit);
      if (ids.length === 0) return 0;
      const expired = await store.transaction(async (tx) => {
        // Some may have been confirmed, released or expired since they were found.
        const held = (await tx.lockReservations(ids)).filter(({ status }) => status === "held");
        await endHolds(tx, held, "expired");
        return held;
      });
      onChange(skusOf(expired));
      return ids.length;
    },
  };
}

async function endHolds(
  tx: InventoryTransaction,
  held: readonly Reservation[],
  status: "confirmed" | "released" | "expired",
): Promise<void> {
  if (held.length === 0) return;
  await tx.setStatus(
    held.map(({ id }) => id),
    status,
  );
  const quantities = new Map<string, number>();
  for (const { sku, quantity } of held.flatMap(({ lines }) => lines))
    quantities.set(sku, (quantities.get(sku) ?? 0) + quantity);
  const to = status === "confirmed" ? "sold" : "available";
  await tx.move([...quantities].map(([sku, quantity]): StockMove => ({ sku, held: -quantity, [to]: quantity })));
}

function skusOf(reservations: readonly Reservation[]): readonly string[] {
  return reservations.flatMap(({ lines }) => lines.map(({ sku }) => sku));
}
