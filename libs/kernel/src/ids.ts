import { createHash, randomBytes } from "node:crypto";

/**
 * A new UUID of version 7 (RFC 9562 section 5.7): sorts by creation time to the millisecond, and carries 74 random
 * bits, so it is unique without asking anybody.
 */
export function newId(now: number = Date.now()): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(now, 0, 6);
  return format(bytes, 7);
}

/**
 * The UUID of version 8 (RFC 9562 section 5.8) that stands for `parts`: equal parts, equal id, in every process and
 * for ever. Made of a SHA-256 over the length-prefixed parts, so `["ab", "c"]` and `["a", "bc"]` differ.
 */
export function derivedId(...parts: readonly string[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return format(hash.digest().subarray(0, 16), 8);
}

function format(bytes: Buffer, version: number): string {
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | (version << 4), 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
