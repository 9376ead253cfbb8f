import type { MessageInitShape } from "@bufbuild/protobuf";
import type { EchoRequestSchema } from "@shoal/contracts/echo/v1/echo_service";

const lines = Object.freeze([
  { sku: "TEA-GREEN-250G", quantity: 2 },
  { sku: "CUP-PORCELAIN-02", quantity: 6 },
  { sku: "KETTLE-STEEL-1L", quantity: 1 },
]);

/** The number in every parcel. */
export const parcelNumber = 1_234_567;

/** The request that all stacks send: as the requests of services usually are, about 120 bytes on the wire. */
export function requestOf(name: string) {
  return { parcel: { name, number: BigInt(parcelNumber), lines: linesAnew() } } satisfies MessageInitShape<
    typeof EchoRequestSchema
  >;
}

/** The lines of every parcel, as new objects. */
export function linesAnew() {
  return lines.map(({ sku, quantity }) => ({ sku, quantity }));
}

/** The name of the parcel of call `index`: no two calls' are the same, so that answers cannot be mixed up unseen. */
export function parcelName(index: number): string {
  return `Parcel ${index} for the harbour office, gate 4`;
}
