import { AppError } from "@shoal/kernel";
import { domain } from "./product.ts";

/** How many pieces of a SKU there are, each in exactly one of three states. */
export interface StockLevel {
  readonly sku: string;
  /** Can be reserved; from 0. With what is held, {@link maxUnsold} at the most. */
  readonly available: number;
  /** In reservations that have not ended. */
  readonly held: number;
  /** In confirmed reservations. */
  readonly sold: number;
  /** How often they have been moved. */
  readonly version: number;
}

/** A movement of pieces between the three states of a SKU; what is left out is 0. */
export type StockMove = Partial<Pick<StockLevel, "available" | "held" | "sold">> & { readonly sku: string };

/** A level after a change, and the change's place among all. */
export interface StockChange {
  readonly place: bigint;
  readonly level: StockLevel;
}

/** All changes of levels, whichever instance makes them. */
export interface StockChanges {
  /** The place of the last change that is known. */
  position(): Promise<bigint>;
  /** The changes after a place, in groups as they come, until `signal` aborts. Fails where some are not kept any more. */
  read(after: bigint, signal: AbortSignal): AsyncIterable<readonly StockChange[]>;
}

/** A change of what there is, made once. */
export interface Adjustment {
  /** Which kind of request made it; ids are unique within one. */
  readonly source: "create" | "load" | "adjust";
  readonly id: string;
  readonly sku: string;
  readonly delta: number;
  readonly reason: string;
  readonly createdAtMs: number;
}

/** The most pieces of one SKU that may be available and held together: what is held can always be given back. */
export const maxUnsold = 1_000_000_000_000;

/** Throws when `delta` would leave fewer than 0 pieces available, or more than {@link maxUnsold} available and held. */
export function requireAdjustable({ sku, available, held }: StockLevel, delta: number): void {
  if (available + delta < 0) throw insufficientStock([{ sku, requested: -delta, available }]);
  if (available + held + delta > maxUnsold) throw stockLimitExceeded(sku);
}

/** FAILED_PRECONDITION: fewer pieces are available than were asked for, of one SKU or more. */
export function insufficientStock(
  short: readonly { readonly sku: string; readonly requested: number; readonly available: number }[],
): AppError {
  const [first] = short;
  if (first === undefined) throw new TypeError("nothing is short");
  const { sku, requested, available } = first;
  const preconditions = short.map((item) => ({
    subject: item.sku,
    description: `${item.requested} asked, ${item.available} left`,
  }));
  return new AppError({
    kind: "precondition",
    reason: "INSUFFICIENT_STOCK",
    domain,
    message: `not enough stock: ${preconditions.map((p) => `${p.subject}: ${p.description}`).join("; ")}`,
    metadata: { sku, requested: String(requested), available: String(available) },
    preconditions,
  });
}

/** FAILED_PRECONDITION: more pieces would be available and held than can be counted. */
export function stockLimitExceeded(sku: string): AppError {
  const description = `at most ${maxUnsold} pieces may be available and held`;
  return new AppError({
    kind: "precondition",
    reason: "STOCK_LIMIT_EXCEEDED",
    domain,
    message: `${sku}: ${description}`,
    metadata: { sku, limit: String(maxUnsold) },
    preconditions: [{ subject: sku, description }],
  });
}

/** ALREADY_EXISTS: the adjustment id stands for another change. */
export function adjustmentIdReused(id: string): AppError {
  return new AppError({
    kind: "duplicate",
    reason: "ADJUSTMENT_ID_REUSED",
    domain,
    message: `adjustment ${id} was made with another SKU or delta; use a new id`,
    resource: { type: "shoal.inventory.Adjustment", name: id },
  });
}
