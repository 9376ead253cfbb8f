import { isDeepStrictEqual } from "node:util";
import type { AppError } from "@shoal/kernel";
import type { Order } from "@shoal/order/domain/order";

/** What a client sees of an order. */
export type ToldOrder = Omit<Order, "settleAtMs">;

/** What a request to place an order was answered with for good. */
export type ToldAnswer = { readonly order: ToldOrder } | { readonly refusal: Pick<AppError, "reason" | "message"> };

/** What clients were told: by this the system is bound. */
export class History {
  readonly #report: (violation: string) => void;
  /** By order id: what the lines were, and the answer. */
  readonly answers = new Map<string, { readonly fingerprint: string; readonly answer: ToldAnswer }>();
  /** How orders have ended, and the payments of those that were confirmed. */
  readonly ends = new Map<string, Exclude<Order["status"], "placed">>();
  readonly payments = new Map<string, string>();
  /** Reservations that are made past the order service, and how their makers were told that they have ended. */
  readonly direct = new Set<string>();
  readonly directEnds = new Map<string, "confirmed" | "released">();
  /** By id: by how much stock was adjusted. */
  readonly adjustments = new Map<string, number>();

  /** `report` is told of what contradicts something that was told before. */
  constructor(report: (violation: string) => void) {
    this.#report = report;
  }

  /** A request to place an order was answered; I4: with the first answer to its key, whoever asks. */
  answered(id: string, fingerprint: string, answer: ToldAnswer): void {
    const first = this.answers.get(id);
    if (first === undefined) this.answers.set(id, { fingerprint, answer });
    else if (first.fingerprint !== fingerprint)
      this.#report(`I4: the key of ${id} was answered for other lines, and now with ${inWords(answer)}`);
    else if (!isDeepStrictEqual(first.answer, answer))
      this.#report(`I4: ${id} was answered with ${inWords(first.answer)}, and now with ${inWords(answer)}`);
  }

  /** A request was told that its key stands for other lines; I4: which is no answer, and nobody gets it who has had one. */
  turnedAway(id: string, fingerprint: string): void {
    const first = this.answers.get(id);
    if (first?.fingerprint === fingerprint)
      this.#report(`I4: ${id} was answered with ${inWords(first.answer)}, and is told now that its key is another's`);
  }

  /** Who was answered with an order is told now that there is none, or the like; I3: what was acknowledged is there. */
  denied(id: string, reason: string): void {
    this.#report(`I3: order ${id} was acknowledged, and now its client was told ${reason}`);
  }

  /** Somebody was told that an order has ended; I5: it ends once. */
  ended(id: string, status: Exclude<Order["status"], "placed">): void {
    const before = this.ends.get(id);
    if (before === undefined) this.ends.set(id, status);
    else if (before !== status) this.#report(`I5: ${id} was told to be ${before}, and now ${status}`);
  }

  /** Somebody was told that an order is confirmed against a payment. */
  paid(id: string, reference: string): void {
    this.ended(id, "confirmed");
    const before = this.payments.get(id);
    if (before === undefined) this.payments.set(id, reference);
    else if (before !== reference) this.#report(`I4: ${id} was paid by ${before}, and now by ${reference}`);
  }

  /** Somebody was told how a reservation that it made itself has ended. */
  directlyEnded(id: string, status: "confirmed" | "released"): void {
    const before = this.directEnds.get(id);
    if (before === undefined) this.directEnds.set(id, status);
    else if (before !== status) this.#report(`I5: reservation ${id} was told to be ${before}, and now ${status}`);
  }

  /** Somebody was told that stock is adjusted. */
  adjusted(id: string, delta: number): void {
    const before = this.adjustments.get(id);
    if (before === undefined) this.adjustments.set(id, delta);
    else if (before !== delta) this.#report(`I4: adjustment ${id} was told to be of ${before}, and now of ${delta}`);
  }
}

function inWords(answer: ToldAnswer): string {
  if ("refusal" in answer) return `${answer.refusal.reason} (${answer.refusal.message})`;
  const { lines, createdAtMs, expiresAtMs } = answer.order;
  return `an order of ${lines.map(({ sku, quantity }) => `${quantity} ${sku}`).join(", ")} (${createdAtMs}, ${expiresAtMs})`;
}
