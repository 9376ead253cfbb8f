import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { EchoRequestSchema } from "@shoal/contracts/echo/v1/echo_service";
import { parcelName, requestOf } from "./workload.ts";

test("requests are of the size that requests usually are, and never alike", () => {
  const sizes = [0, 1_234_567].map(
    (index) => toBinary(EchoRequestSchema, create(EchoRequestSchema, requestOf(parcelName(index)))).length,
  );
  for (const size of sizes) assert.ok(size >= 100 && size <= 200, `${size} bytes`);
  assert.notEqual(parcelName(1), parcelName(2));
});
