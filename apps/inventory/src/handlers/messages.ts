import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type ProductSchema,
  type ReservationSchema,
  ReservationStatus,
  type StockLevelSchema,
} from "@shoal/contracts/inventory/v1/inventory_service";
import type { Money as MoneyMessage } from "@shoal/contracts/type/v1/money";
import type { Money } from "@shoal/kernel";
import type { Product } from "../domain/product.ts";
import type { Reservation } from "../domain/reservation.ts";
import type { StockLevel } from "../domain/stock.ts";

/** A product as the contract has it. */
export function productToMessage({
  createdAtMs,
  updatedAtMs,
  ...product
}: Product): MessageInitShape<typeof ProductSchema> {
  return { ...product, createTime: timestampFromMs(createdAtMs), updateTime: timestampFromMs(updatedAtMs) };
}

/** A stock level as the contract has it. */
export function stockToMessage({ sku, available, held, sold }: StockLevel): MessageInitShape<typeof StockLevelSchema> {
  return { sku, available: BigInt(available), held: BigInt(held), sold: BigInt(sold) };
}

const statuses: Readonly<Record<Reservation["status"], ReservationStatus>> = {
  held: ReservationStatus.HELD,
  confirmed: ReservationStatus.CONFIRMED,
  released: ReservationStatus.RELEASED,
  expired: ReservationStatus.EXPIRED,
};

/** A reservation as the contract has it. */
export function reservationToMessage(reservation: Reservation): MessageInitShape<typeof ReservationSchema> {
  return {
    id: reservation.id,
    status: statuses[reservation.status],
    lines: reservation.lines.map((line) => ({ ...line })),
    total: reservation.total,
    expireTime: timestampFromMs(reservation.expiresAtMs),
    createTime: timestampFromMs(reservation.createdAtMs),
  };
}

/** Money of a request that the contract's rules have passed; they require it. */
export function moneyFromMessage(money: MoneyMessage | undefined): Money {
  if (money === undefined) throw new TypeError("the contract requires this amount");
  return { minorUnits: money.minorUnits, currency: money.currency };
}
