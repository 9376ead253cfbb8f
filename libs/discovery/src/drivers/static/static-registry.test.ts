import assert from "node:assert/strict";
import { test } from "node:test";
import { bareInstance } from "../../instance.ts";
import { createStaticRegistry } from "./static-registry.ts";

test("refuses a list in which something is no instance, and names what", () => {
  const good = bareInstance("order", "127.0.0.1:50053");
  assert.throws(() => createStaticRegistry([good, { ...good, weight: 0 }]), /weight must be/);
});
