import assert from "node:assert/strict";
import { test } from "node:test";
import { isAppError } from "@shoal/kernel";
import { decodeResumeToken, encodeResumeToken } from "./resume-token.ts";

test("a token gives back its place, and none is the beginning", () => {
  for (const place of [0n, 1n, 10n ** 17n])
    assert.equal(decodeResumeToken(encodeResumeToken(place), "shoal.test"), place);
  assert.equal(decodeResumeToken("", "shoal.test"), undefined);
});

test("what is no token is refused, with its field", () => {
  for (const token of ["x", "1", Buffer.from("at -1").toString("base64url"), `${encodeResumeToken(1n)}A`])
    assert.throws(
      () => decodeResumeToken(token, "shoal.test"),
      (error) => isAppError(error, "RESUME_TOKEN_INVALID") && error.violations[0]?.field === "resume_token",
    );
});
