import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { Batcher, type BatchObserver } from "@shoal/concurrency";
import {
  type InventoryService,
  type Reservation,
  ReservationStatus,
  type ReserveStockRequestSchema,
} from "@shoal/contracts/inventory/v1/inventory_service";
import type { Money as MoneyMessage } from "@shoal/contracts/type/v1/money";
import { AppError, initOf, isAppError, type Money } from "@shoal/kernel";
import { type Client, errorOf } from "@shoal/rpc";
import { domain, type HoldEnd, holdEnded, idempotencyKeyReused } from "../domain/order.ts";
import type { Hold, StockHolds } from "../domain/ports.ts";
import { upstreamError } from "./upstream-error.ts";

/** Reasons of the inventory that say something about the order: they become the order service's own. */
const orderReasons = new Set(["SKU_NOT_FOUND", "INSUFFICIENT_STOCK", "MIXED_CURRENCIES", "AMOUNT_OVERFLOW"]);

/** Makes one reservation; rejects with the inventory's error. */
type ReserveStock = (request: MessageInitShape<typeof ReserveStockRequestSchema>) => Promise<Reservation | undefined>;

/** As many as one call may ask for. */
const maxBatch = 100;

/** The inventory service behind the domain's port, a call for each hold. The caller disposes of the client. */
export function createStockHolds(client: Client<typeof InventoryService>): StockHolds {
  return stockHolds(client, async (request) => (await client.reserveStock(request)).reservation);
}

/**
 * The inventory service behind the domain's port, asked for many holds at once where many are wanted at the same time. The
 * caller disposes of the client, after `close`, which waits for what is asked.
 */
export function createBatchedStockHolds(
  client: Client<typeof InventoryService>,
  observer?: BatchObserver,
): StockHolds & { close(): Promise<void> } {
  const batcher = new Batcher<MessageInitShape<typeof ReserveStockRequestSchema>, Reservation | undefined>({
    run: async (requests) => {
      const { results } = await client.batchReserveStock({ requests: [...requests] });
      return results.map(({ result }) => {
        if (result.case === "reservation") return { value: result.value };
        return { error: result.case === "error" ? errorOf(result.value) : new Error("the inventory answered nothing") };
      });
    },
    maxItems: maxBatch,
    observer,
  });
  return { ...stockHolds(client, (request) => batcher.submit(request)), close: () => batcher.close() };
}

/** An order's hold has the order's id. */
function stockHolds(client: Client<typeof InventoryService>, reserve: ReserveStock): StockHolds {
  return {
    hold: async (orderId, lines, timeToLiveMs) => {
      try {
        const request = { reservationId: orderId, lines: [...lines], timeToLive: durationFromMs(timeToLiveMs) };
        return toHold(await reserve(request));
      } catch (error) {
        if (isAppError(error, "RESERVATION_ID_REUSED")) throw idempotencyKeyReused(orderId, error);
        // Released before it was made.
        if (isAppError(error, "RESERVATION_RELEASED")) throw holdEnded(orderId);
        if (error instanceof AppError && orderReasons.has(error.reason))
          throw new AppError({ ...initOf(error), domain, cause: error });
        throw upstreamError("inventory", error);
      }
    },

    confirm: async (orderId) => {
      try {
        await client.confirmReservation({ reservationId: orderId });
        return "confirmed";
      } catch (error) {
        return endIn(error);
      }
    },

    release: async (orderId) => {
      try {
        const { reservation } = await client.releaseReservation({ reservationId: orderId });
        return reservation?.status === ReservationStatus.EXPIRED ? "expired" : "released";
      } catch (error) {
        return endIn(error);
      }
    },
  };
}

const endsByReason = new Map<string, HoldEnd>([
  ["RESERVATION_CONFIRMED", "confirmed"],
  ["RESERVATION_RELEASED", "released"],
  ["RESERVATION_EXPIRED", "expired"],
]);

/** A refusal that says how the hold has ended is an answer. */
function endIn(error: unknown): HoldEnd {
  const end = error instanceof AppError ? endsByReason.get(error.reason) : undefined;
  if (end === undefined) throw upstreamError("inventory", error);
  return end;
}

function toHold(reservation: Reservation | undefined): Hold {
  if (reservation?.expireTime === undefined) throw new Error("the inventory service answered no reservation");
  return {
    isHeld: reservation.status === ReservationStatus.HELD,
    lines: reservation.lines.map(({ sku, quantity, unitPrice }) => ({ sku, quantity, unitPrice: toMoney(unitPrice) })),
    total: toMoney(reservation.total),
    expiresAtMs: timestampMs(reservation.expireTime),
  };
}

function toMoney(money: MoneyMessage | undefined): Money {
  if (money === undefined) throw new Error("the inventory service answered no price");
  return { minorUnits: money.minorUnits, currency: money.currency };
}
