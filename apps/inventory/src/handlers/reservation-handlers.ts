import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import {
  type InventoryService,
  type ReserveStockRequest,
  ReserveStockRequestSchema,
  type ReserveStockResultSchema,
} from "@shoal/contracts/inventory/v1/inventory_service";
import { AppError } from "@shoal/kernel";
import { requireValid, type ServiceHandlers, statusOf } from "@shoal/rpc";
import { domain } from "../domain/product.ts";
import type { Reservation } from "../domain/reservation.ts";
import type { Reservations } from "../domain/reservations.ts";
import type { ReserveRequest } from "../domain/reserving.ts";
import { reservationToMessage } from "./messages.ts";

type ReservationMethods =
  | "reserveStock"
  | "batchReserveStock"
  | "confirmReservation"
  | "releaseReservation"
  | "getReservation";

/** Makes one reservation, perhaps together with others; rejects with why there is none. */
export type Reserve = (request: ReserveRequest) => Promise<Reservation>;

/** The methods about reservations. `onFault` is told of what failed otherwise than by the domain's rules. */
export function reservationHandlers(
  reservations: Reservations,
  reserve: Reserve,
  onFault: (error: unknown) => void,
): Pick<ServiceHandlers<typeof InventoryService>, ReservationMethods> {
  const reserveOne = async (
    request: ReserveStockRequest,
  ): Promise<MessageInitShape<typeof ReserveStockResultSchema>> => {
    try {
      requireValid(ReserveStockRequestSchema, request, domain);
      return { result: { case: "reservation", value: reservationToMessage(await reserve(toRequest(request))) } };
    } catch (error) {
      if (!(error instanceof AppError)) onFault(error);
      return { result: { case: "error", value: statusOf(error) } };
    }
  };
  return {
    reserveStock: async (request) => ({ reservation: reservationToMessage(await reserve(toRequest(request))) }),

    batchReserveStock: async ({ requests }) => ({ results: await Promise.all(requests.map(reserveOne)) }),

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

function toRequest({ reservationId, lines, timeToLive }: ReserveStockRequest): ReserveRequest {
  const timeToLiveMs = timeToLive === undefined ? 0 : Math.ceil(durationMs(timeToLive));
  return { id: reservationId, lines, timeToLiveMs };
}
