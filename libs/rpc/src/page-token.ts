import { createHash } from "node:crypto";
import { AppError } from "@shoal/kernel";

/** Where a page ended: the key of its last row, of texts and whole numbers. */
export type Cursor = readonly (string | number)[];

/**
 * The cursor in a token that {@link cutPage} made for the same `scope`; `undefined` for the empty token of a first
 * page. `scope` names the list and its filters, such as `["orders", userId]`: a token is good for that list only.
 * Throws an `invalid` {@link AppError} (`PAGE_TOKEN_INVALID`, of `domain`) for anything else, and for a cursor whose
 * parts have other types than `shape` names.
 */
export function decodePageToken(
  token: string,
  scope: readonly string[],
  shape: readonly ("string" | "number")[],
  domain: string,
): Cursor | undefined {
  if (token === "") return undefined;
  const [scoped, ...cursor] = parse(token);
  const fits = cursor.length === shape.length && cursor.every((part, index) => isOf(part, shape[index]));
  if (scoped === digest(scope) && fits) return cursor as Cursor;
  const description = "must be the next_page_token of a page of the same list, unchanged";
  throw new AppError({
    kind: "invalid",
    reason: "PAGE_TOKEN_INVALID",
    domain,
    message: `page_token: ${description}`,
    violations: [{ field: "page_token", description }],
  });
}

/**
 * A page of `size` out of `found`, which was read with a limit of one more: that one tells whether another page
 * follows, and is not on this one. `cursorOf` names the key that the list is sorted by.
 */
export function cutPage<T>(
  found: readonly T[],
  size: number,
  scope: readonly string[],
  cursorOf: (last: T) => Cursor,
): { readonly page: readonly T[]; readonly nextPageToken: string } {
  const page = found.slice(0, size);
  const last = page.at(-1);
  const more = found.length > size && last !== undefined;
  return { page, nextPageToken: more ? encodePageToken(scope, cursorOf(last)) : "" };
}

function isOf(part: unknown, type: "string" | "number" | undefined): boolean {
  return type === "number" ? Number.isSafeInteger(part) : typeof part === type;
}

function encodePageToken(scope: readonly string[], cursor: Cursor): string {
  return Buffer.from(JSON.stringify([digest(scope), ...cursor])).toString("base64url");
}

function parse(token: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(Buffer.from(token, "base64url").toString());
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

function digest(scope: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(scope)).digest("base64url").slice(0, 8);
}
