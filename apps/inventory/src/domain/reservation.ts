import { AppError, addMoney, type Money, multiplyMoney } from "@shoal/kernel";
import { domain } from "./product.ts";
import { insufficientStock } from "./stock.ts";

/**
 * Stock held for one purpose, at the prices of the moment it was made.
 *
 * States: held → confirmed | released | expired. A hold ends once. One that is released before it is made is a fence: it
 * begins as released, without lines, and keeps the request that comes late from holding what nobody would give back.
 */
export interface Reservation {
  readonly id: string;
  readonly status: "held" | "confirmed" | "released" | "expired";
  /** Each SKU once; all in the currency of the total. None of a fence. */
  readonly lines: readonly ReservationLine[];
  readonly total: Money;
  readonly expiresAtMs: number;
  readonly createdAtMs: number;
}

/** One SKU of a reservation. */
export interface ReservationLine {
  readonly sku: string;
  readonly quantity: number;
  readonly unitPrice: Money;
}

/** What is asked for: each SKU once. */
export interface RequestedLine {
  readonly sku: string;
  readonly quantity: number;
}

/** What a decision needs to know of a product. */
export interface Offer {
  readonly sku: string;
  readonly price: Money;
  readonly available: number;
}

/** A reservation that is released before it is made, until some time has passed. */
export function fenceOf(id: string, nowMs: number, forMs: number): Reservation {
  const total = { minorUnits: 0n, currency: "" };
  return { id, status: "released", lines: [], total, createdAtMs: nowMs, expiresAtMs: nowMs + forMs };
}

/** Whether it was released before it was made. */
export function isFence({ lines }: Reservation): boolean {
  return lines.length === 0;
}

/** Whether a reservation is the answer to a request for `lines`. */
export function isFor(reservation: Reservation, lines: readonly RequestedLine[]): boolean {
  return (
    reservation.lines.length === lines.length &&
    reservation.lines.every(({ sku, quantity }, i) => sku === lines[i]?.sku && quantity === lines[i]?.quantity)
  );
}

/**
 * Prices the lines and adds them up, if all are on offer and in stock. Throws SKU_NOT_FOUND by way of `missing`,
 * then MIXED_CURRENCIES, AMOUNT_OVERFLOW, INSUFFICIENT_STOCK, in this order.
 */
export function price(
  requested: readonly RequestedLine[],
  offers: ReadonlyMap<string, Offer>,
  missing: (sku: string) => AppError,
): Pick<Reservation, "lines" | "total"> {
  const lines = requested.map(({ sku, quantity }) => {
    const offer = offers.get(sku);
    if (offer === undefined) throw missing(sku);
    return { sku, quantity, unitPrice: offer.price, available: offer.available };
  });
  const currency = lines[0]?.unitPrice.currency ?? "";
  const other = lines.find((line) => line.unitPrice.currency !== currency);
  if (other !== undefined) throw mixedCurrencies(currency, other.sku, other.unitPrice.currency);
  let total: Money = { minorUnits: 0n, currency };
  for (const [index, line] of lines.entries()) {
    const amount = multiplyMoney(line.unitPrice, line.quantity);
    const sum = amount && addMoney(total, amount);
    if (sum === undefined) throw amountOverflow(index);
    total = sum;
  }
  const short = lines.filter((line) => line.available < line.quantity);
  if (short.length > 0)
    throw insufficientStock(short.map(({ sku, quantity, available }) => ({ sku, requested: quantity, available })));
  return { lines: lines.map(({ sku, quantity, unitPrice }) => ({ sku, quantity, unitPrice })), total };
}

const resource = (id: string) => ({ type: "shoal.inventory.Reservation", name: id });

/** NOT_FOUND: no reservation has this id. */
export function reservationNotFound(id: string): AppError {
  return new AppError({
    kind: "missing",
    reason: "RESERVATION_NOT_FOUND",
    domain,
    message: `there is no reservation ${id}`,
    resource: resource(id),
  });
}

/** ALREADY_EXISTS: the reservation id stands for other lines. */
export function reservationIdReused(id: string): AppError {
  return new AppError({
    kind: "duplicate",
    reason: "RESERVATION_ID_REUSED",
    domain,
    message: `reservation ${id} was made with other lines; use a new id`,
    resource: resource(id),
  });
}

const endings = {
  confirmed: "RESERVATION_CONFIRMED",
  released: "RESERVATION_RELEASED",
  expired: "RESERVATION_EXPIRED",
} as const;

/** FAILED_PRECONDITION: the hold has ended in another way than was asked for. */
export function reservationEnded(id: string, status: keyof typeof endings): AppError {
  const description = `the reservation is ${status}`;
  return new AppError({
    kind: "precondition",
    reason: endings[status],
    domain,
    message: `reservation ${id} cannot be changed: it is ${status}`,
    preconditions: [{ subject: id, description }],
  });
}

function mixedCurrencies(currency: string, sku: string, otherCurrency: string): AppError {
  const description = `priced in ${otherCurrency}, and the first line in ${currency}`;
  return new AppError({
    kind: "precondition",
    reason: "MIXED_CURRENCIES",
    domain,
    message: `all lines must be priced in one currency: ${sku} is ${description}`,
    metadata: { sku, currency: otherCurrency },
    preconditions: [{ subject: sku, description }],
  });
}

function amountOverflow(index: number): AppError {
  const description = "price × quantity takes the total beyond 2^63 - 1 minor units";
  return new AppError({
    kind: "invalid",
    reason: "AMOUNT_OVERFLOW",
    domain,
    message: `lines[${index}].quantity: ${description}`,
    violations: [{ field: `lines[${index}].quantity`, description }],
  });
}
