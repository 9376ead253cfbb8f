import type { Reference } from "./references.ts";

/** A key that the generated tests use, which the contract lets through. */
export function sampleOf({ isUuid }: Reference): string {
  return isUuid ? "0190a000-0000-7000-8000-0000000000aa" : "A-1";
}
