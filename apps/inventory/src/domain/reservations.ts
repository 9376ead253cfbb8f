import { type AppError, type Clock, crashPoint } from "@shoal/kernel";
import {
  CollisionError,
  type InventoryStore,
  type InventoryTransaction,
  ProductsBusyError,
} from "./inventory-store.ts";
import { fenceOf, type Reservation, reservationEnded, reservationNotFound } from "./reservation.ts";
import { movesOf, type ReserveOutcome, type ReserveRequest, reserveAll } from "./reserving.ts";

/** How long a reservation that was released before it was made is kept from being made. */
const fencedForMs = 24 * 60 * 60_000;

/** How often a transaction is decided that meets a row which somebody else adds at the same moment: then it is there. */
const maxCollisions = 5;

/** What can be done with reservations. */
export type Reservations = ReturnType<typeof createReservations>;

/** The use cases about reservations. Errors are the constructors in `reservation.ts`. */
export function createReservations({ store, clock }: { readonly store: InventoryStore; readonly clock: Clock }) {
  /** Decides in a transaction, anew where a row that it adds is there by then. */
  const decide = async <T>(work: (tx: InventoryTransaction) => Promise<T>): Promise<T> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await store.transaction(work);
      } catch (error) {
        if (!(error instanceof CollisionError) || attempt === maxCollisions) throw error;
      }
    }
  };

  /** Ends the hold as `wanted`, or as expired when its time has passed; what was never made ends as `missing` says. */
  const end = (
    id: string,
    wanted: "confirmed" | "released",
    missing: (tx: InventoryTransaction) => Promise<Reservation> | AppError,
  ): Promise<Reservation> =>
    decide(async (tx) => {
      const [found] = await tx.lockReservations([id]);
      if (found === undefined) {
        const made = missing(tx);
        if (made instanceof Error) throw made;
        return await made;
      }
      if (found.status !== "held") return found;
      const status = found.expiresAtMs <= clock.now() ? "expired" : wanted;
      await endHolds(tx, [found], status);
      return { ...found, status };
    });

  /** Ends holds whose time has passed, all or none; false where somebody keeps their products locked. */
  const expire = async (ids: readonly string[]): Promise<boolean> => {
    try {
      await store.transaction(async (tx) => {
        // Some may have been confirmed, released or expired since they were found.
        const held = (await tx.lockReservations(ids)).filter(({ status }) => status === "held");
        await endHolds(tx, held, "expired");
      });
      return true;
    } catch (error) {
      if (error instanceof ProductsBusyError) return false;
      throw error;
    }
  };

  return {
    get: async (id: string): Promise<Reservation> => {
      const reservation = await store.findReservation(id);
      if (reservation === undefined) throw reservationNotFound(id);
      return reservation;
    },

    /**
     * Makes reservations, each all of its lines or none, in one transaction; answers what became of each. The same request
     * again answers the reservation as it is now.
     */
    reserve: (requests: readonly ReserveRequest[]): Promise<readonly ReserveOutcome[]> =>
      decide((tx) => reserveAll(tx, requests, clock.now())),

    /** Turns the hold into a sale; one that is sold stays sold. */
    confirm: async (id: string): Promise<Reservation> => {
      const reservation = await end(id, "confirmed", () => reservationNotFound(id));
      if (reservation.status === "released" || reservation.status === "expired")
        throw reservationEnded(id, reservation.status);
      return reservation;
    },

    /**
     * Gives the stock back; a hold that is released or expired stays so. What was never made cannot be made for a day: the
     * request to make it may be on its way still.
     */
    release: async (id: string): Promise<Reservation> => {
      const reservation = await end(id, "released", async (tx) => {
        const fence = fenceOf(id, clock.now(), fencedForMs);
        await tx.insertReservations([fence]);
        return fence;
      });
      if (reservation.status === "confirmed") throw reservationEnded(id, reservation.status);
      return reservation;
    },

    /**
     * Ends up to `limit` holds whose time has passed; answers how many it looked at, less those that must wait because
     * somebody keeps their products locked. Where all `limit` must wait it looks further, up to ten times as far.
     */
    expireOverdue: async (limit: number): Promise<number> => {
      for (let skip = 0; skip < 10 * limit; skip += limit) {
        const ids = await store.findOverdue(clock.now(), limit, skip);
        if (ids.length === 0) return 0;
        crashPoint("mid-expiry");
        if (await expire(ids)) return ids.length;
        // Those of other products need not wait.
        let expired = 0;
        for (const id of ids) if (await expire([id])) expired += 1;
        if (expired > 0 || ids.length < limit) return expired;
      }
      return 0;
    },

    /** Forgets up to `limit` reservations that were released before they were made, a day after that; answers how many. */
    forgetFences: (limit: number): Promise<number> => store.deleteFences(clock.now(), limit),
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
  crashPoint("mid-hold-end");
  const to = status === "confirmed" ? "sold" : "available";
  const moves = movesOf(held, (quantity) => ({ held: -quantity, [to]: quantity }));
  await tx.lock(moves.map(({ sku }) => sku));
  await tx.move(moves);
}
