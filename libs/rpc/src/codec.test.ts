import assert from "node:assert/strict";
import { test } from "node:test";
import { GetUserRequestSchema, UpdateUserRequestSchema } from "@shoal/contracts/user/v1/user_service";
import { AppError } from "@shoal/kernel";
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse } from "./codec.ts";

const bytes = encodeRequest(GetUserRequestSchema, { userId: "ada" }, 100);
const broken = Buffer.from([0x0a, 0xff, 0xff]);
const fails = (work: () => unknown, kind: string, reason: string) =>
  assert.throws(work, (error) => error instanceof AppError && error.kind === kind && error.reason === reason, reason);

test("what is written is read back, up to exactly as many bytes as are taken", () => {
  const read = decodeRequest(GetUserRequestSchema, bytes, bytes.length);
  assert.deepEqual(read, { $typeName: "shoal.user.v1.GetUserRequest", userId: "ada" });
  assert.deepEqual(decodeResponse(GetUserRequestSchema, bytes, bytes.length), read);
});

test("too many bytes, and bytes that are no such message, are told apart by who sent them", () => {
  fails(() => decodeRequest(GetUserRequestSchema, bytes, bytes.length - 1), "exhausted", "REQUEST_TOO_LARGE");
  fails(() => decodeResponse(GetUserRequestSchema, bytes, bytes.length - 1), "exhausted", "RESPONSE_TOO_LARGE");
  fails(() => decodeRequest(GetUserRequestSchema, broken, 100), "invalid", "REQUEST_MALFORMED");
  fails(() => decodeResponse(GetUserRequestSchema, broken, 100), "internal", "RESPONSE_MALFORMED");
});

test("too many bytes are not sent either", () => {
  const init = { userId: "ada" };
  assert.equal(encodeRequest(GetUserRequestSchema, init, bytes.length).length, bytes.length);
  fails(() => encodeRequest(GetUserRequestSchema, init, bytes.length - 1), "exhausted", "REQUEST_TOO_LARGE");
  fails(() => encodeResponse(GetUserRequestSchema, init, bytes.length - 1), "exhausted", "RESPONSE_TOO_LARGE");
});

test("a value that its field cannot hold is refused", () => {
  assert.throws(() => encodeRequest(UpdateUserRequestSchema, { version: 2 ** 40 }, 100), /int32/);
});
