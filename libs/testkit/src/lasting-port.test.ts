import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { lastingPort } from "./lasting-port.ts";

test("ports that nobody listens on, each once, and none of those that systems give to who asks for any", async (t) => {
  const before = await lastingPort();
  const taken = createServer().listen(before + 1, "127.0.0.1");
  t.after(() => taken.close());
  await once(taken, "listening");
  const ports = await Promise.all(Array.from({ length: 20 }, () => lastingPort()));
  assert.equal(new Set([before, before + 1, ...ports]).size, 22);
  for (const port of ports) assert.ok(port >= 10_000 && port < 32_000, String(port));
});
