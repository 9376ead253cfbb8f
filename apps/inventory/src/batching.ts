import { Batcher, type BatchObserver, splitFailedBatches } from "@shoal/concurrency";
import { ProductsBusyError } from "./domain/inventory-store.ts";
import type { Reservation } from "./domain/reservation.ts";
import type { Reservations } from "./domain/reservations.ts";
import type { ReserveRequest } from "./domain/reserving.ts";
import type { Reserve } from "./handlers/reservation-handlers.ts";

/** Reservations that are decided in one transaction, and lines of them together. */
const maxBatch = 200;
const maxLines = 1_000;

/** Makes reservations that come at the same time in one transaction, so that a product they all want is locked once. */
export function reserveInBatches(
  { reserve }: Pick<Reservations, "reserve">,
  observer?: BatchObserver,
): Batcher<ReserveRequest, Reservation> {
  return new Batcher<ReserveRequest, Reservation>({
    run: splitFailedBatches(besideBusyProducts(reserve)),
    maxItems: maxBatch,
    maxWeight: maxLines,
    weigh: ({ lines }) => lines.length,
    observer,
  });
}

/** Those that want a product which somebody keeps locked fail alone, and the others do not wait for it again. */
function besideBusyProducts(reserve: Reservations["reserve"]): Reservations["reserve"] {
  const reserveOthers: Reservations["reserve"] = async (requests) => {
    try {
      return await reserve(requests);
    } catch (error) {
      if (!(error instanceof ProductsBusyError)) throw error;
      const isFree = ({ lines }: ReserveRequest) => lines.every(({ sku }) => !error.skus.has(sku));
      const others = requests.filter(isFree);
      const outcomes = (others.length === 0 ? [] : await reserveOthers(others)).values();
      return requests.map((request) => (isFree(request) ? (outcomes.next().value ?? { error }) : { error }));
    }
  };
  return reserveOthers;
}

/** Makes each reservation in a transaction of its own. */
export function reserveOneByOne({ reserve }: Pick<Reservations, "reserve">): Reserve {
  return async (request) => {
    const [outcome] = await reserve([request]);
    if (outcome === undefined) throw new Error("a reservation was not decided");
    if ("error" in outcome) throw outcome.error;
    return outcome.value;
  };
}
