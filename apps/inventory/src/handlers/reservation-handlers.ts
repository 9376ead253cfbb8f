import { durationMs } from "@bufbuild/protobuf/wkt";
import type { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import type { ServiceHandlers } from "@shoal/rpc";
import type { Reservations } from "../domain/reservations.ts";
import { reservationToMessage } from "./messages.ts";

type ReservationMethods = "reserveStock" | "confirmReservation" | "releaseReservation" | "getReservation";

/** The methods about reservations. */
export function reservationHandlers(
  reservations: Reservations,
): Pick<ServiceHandlers<typeof InventoryService>, ReservationMethods> {
  return {
    reserveStock: async ({ reservationId, lines, timeToLive }) => {
      const timeToLiveMs = timeToLive === undefined ? 0 : Math.ceil(durationMs(timeToLive));
      const reservation = await reservations.reserve(reservationId, lines, timeToLiveMs);
      return { reservation: reservationToMessage(reservation) };
    },

    confirmReservation: async ({ reservationId }) => ({
      reservation: reservationToMessage(await reservations.confirm(reservationId)),
    }),

    releaseReservation: async ({ reservationId }) => ({
      reservation: reservationToMessage(await reservations.release(reservationId)),
    }),

    getReservation: async ({ reservationId }) => ({
      reservation: reservationToMessage(await reservations.get(reservationId)),
    }),
  };
}
