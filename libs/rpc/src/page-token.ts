import { createHash } from "node:crypto";
import { AppError } from "@shoal/kernel";

/** Where a page ended: the key of its last row. */
export type Cursor = readonly (string | number)[];

/**
 * An opaque token for the page after `cursor`. `scope` names the list and its filters, such as
 * `["orders", userId]`: the token is good for that list only.
 */
export function encodePageToken(scope: readonly string[], cursor: Cursor): string {
  return Buffer.from(JSON.stringify([digest(scope), ...cursor])).toString("base64url");
}

/**
 * The cursor in a token that {@link encodePageToken} made for the same scope; `undefined` for the empty token of a
 * first page. Its parts have the types that `shape` names. Throws an `invalid` {@link AppError}
 * (`PAGE_TOKEN_INVALID`, of `domain`) for anything else.
 */
export function decodePageToken(
  token: string,
  scope: readonly string[],
  shape: readonly ("string" | "number")[],
  domain: string,
): Cursor | undefined {
  if (token === "") return undefined;
  const [scoped, ...cursor] = parse(token);
  const fits = cursor.length === shape.length && cursor.every((part, index) => typeof part === shape[index]);
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
