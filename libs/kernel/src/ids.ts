import { hash, randomUUID } from "node:crypto";

/**
 * A new UUID of version 7 (RFC 9562 section 5.7): sorts by creation time to the millisecond, and carries 74 random
 * bits, so it is unique without asking anybody.
 */
export function newId(now: number = Date.now()): string {
  const time = now.toString(16).padStart(12, "0");
  // What follows the version of a UUID of version 4 is random, but for the variant, which is the same.
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
}

/**
 * The UUID of version 8 (RFC 9562 section 5.8) that stands for `parts`: equal parts, equal id, in every process and
 * for ever. Made of a SHA-256 over the length-prefixed parts, so `["ab", "c"]` and `["a", "bc"]` differ.
 */
export function derivedId(...parts: readonly string[]): string {
  let text = "";
  for (const part of parts) text += `${Buffer.byteLength(part)}:${part}`;
  const hex = hash("sha256", text, "hex");
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0b0011) | 0b1000).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
