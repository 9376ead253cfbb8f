import assert from "node:assert/strict";
import { test } from "node:test";
import { createDnsRegistry, defaultDnsRegistryOptions, pauseMs } from "./dns-registry.ts";

const options = { minIntervalMs: 1_000, maxIntervalMs: 5_000 };

test("looks again when the TTL has passed, within bounds, and up to a fifth later", () => {
  for (const [ttl, least, most] of [
    [0, 1_000, 1_200],
    [3, 3_000, 3_600],
    [300, 5_000, 6_000],
  ] as const) {
    assert.equal(
      pauseMs(ttl, 0, options, () => 0),
      least,
    );
    assert.equal(
      pauseMs(ttl, 0, options, () => 1),
      most,
    );
  }
});

test("looks less and less often while there is nothing to be found", () => {
  const pauses = [1, 2, 3, 4, 1_000].map((inVain) => pauseMs(undefined, inVain, options, () => 0));
  assert.deepEqual(pauses, [1_000, 2_000, 4_000, 5_000, 5_000]);
});

test("refuses options out of range", () => {
  const target = { records: "address", name: "x", port: 1 } as const;
  const { maxIntervalMs } = defaultDnsRegistryOptions;
  for (const bad of [{ minIntervalMs: 0 }, { minIntervalMs: maxIntervalMs + 1 }, { timeoutMs: 1.5 }])
    assert.throws(() => createDnsRegistry({ target, ...bad }), RangeError);
});
