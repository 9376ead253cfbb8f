import type { Reference } from "./references.ts";

/** A key that the generated tests use for each reference, which the contract lets through; no two have the same. */
export function samplesOf(references: readonly Reference[]): readonly string[] {
  return references.map(({ isUuid }, index) =>
    isUuid ? `0190a000-0000-7000-8000-0000000000${(0xaa + index).toString(16)}` : `A-${index + 1}`,
  );
}

/** A key of which nobody knows anything. */
export function missingOf({ isUuid }: Reference): string {
  return isUuid ? "0190a000-0000-7000-8000-0000000000ff" : "NONE";
}
