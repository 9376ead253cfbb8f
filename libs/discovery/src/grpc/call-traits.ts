import type { Metadata } from "@grpc/grpc-js";
import type { CallTraits } from "../balancing/endpoint.ts";

/** Where a call's traits are kept: grpc-js hands the options of its metadata on to the pick, and sends nothing of them. */
const key = Symbol("shoal.call-traits");

const unary: CallTraits = Object.freeze({ streaming: false, hashKey: undefined });

/** Notes what balancing should know of the call that `metadata` is for. Nothing of it goes over the wire. */
export function setCallTraits(metadata: Metadata, traits: CallTraits): void {
  metadata.setOptions({ ...metadata.getOptions(), [key]: traits } as object);
}

/** What {@link setCallTraits} noted; a call with one answer and no key where nobody did. */
export function callTraitsOf(metadata: Metadata): CallTraits {
  return (metadata.getOptions() as { [key]?: CallTraits })[key] ?? unary;
}
