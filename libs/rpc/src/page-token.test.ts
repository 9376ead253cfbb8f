import assert from "node:assert/strict";
import { test } from "node:test";
import { isAppError } from "@shoal/kernel";
import { cutPage, decodePageToken } from "./page-token.ts";

const scope = ["orders", "ada"];
const rows = [1, 2, 3].map((n) => ({ at: n, id: `o${n}` }));
const cut = (found: typeof rows, size: number) => cutPage(found, size, scope, ({ at, id }) => [at, id]);
const decode = (token: string, of = scope) => decodePageToken(token, of, ["number", "string"], "shoal.order");

test("the token of a page leads to the place after its last row", () => {
  const { page, nextPageToken } = cut(rows, 2);
  assert.deepEqual(page, rows.slice(0, 2));
  assert.deepEqual(decode(nextPageToken), [2, "o2"]);
});

test("the last page has no token, and no token means the first page", () => {
  assert.equal(cut(rows, 3).nextPageToken, "");
  assert.equal(cut([], 3).nextPageToken, "");
  assert.equal(decode(""), undefined);
});

test("a token that was made up, changed or given out for another list is refused", () => {
  const { nextPageToken } = cut(rows, 1);
  const [scoped] = JSON.parse(Buffer.from(nextPageToken, "base64url").toString());
  const forge = (at: unknown) => Buffer.from(JSON.stringify([scoped, at, "o1"])).toString("base64url");
  assert.deepEqual(decode(forge(7)), [7, "o1"]);
  const forged = [
    "x",
    "%%%",
    forge(0.5),
    forge(1e300),
    forge(null),
    nextPageToken.slice(2),
    `${nextPageToken}AAAA`,
    Buffer.from("[]").toString("base64url"),
    Buffer.from('{"a":1}').toString("base64url"),
    Buffer.from('["nobody",1,"o1"]').toString("base64url"),
  ];
  const refused = (error: unknown) =>
    isAppError(error, "PAGE_TOKEN_INVALID") && error.violations[0]?.field === "page_token";
  for (const token of forged) assert.throws(() => decode(token), refused, token);
  assert.throws(() => decode(nextPageToken, ["orders", "bob"]), refused);
  assert.throws(() => decodePageToken(nextPageToken, scope, ["string"], "x"), refused);
});
