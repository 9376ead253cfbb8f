import assert from "node:assert/strict";
import { test } from "node:test";
import { resilienceBench } from "./resilience-bench.ts";
import { workloads } from "./workloads.ts";

const settings = { rounds: 1, seconds: 0.01, only: undefined, profileDir: undefined, progress: () => {} };

test("workloads are measured in processes of their own, and have their rows", async () => {
  const { signal } = new AbortController();
  const { rows } = await resilienceBench.run({ ...settings, only: ["opossum"], signal });
  const measured = workloads.filter(({ subject }) => subject !== "shoal");
  assert.equal(rows.length, 2 * measured.length);
  for (const { group, name } of measured)
    assert.equal(rows.filter((row) => row.name.startsWith(`resilience.${group}.${name}.`)).length, 2, name);
  // In so short a time a collection of garbage can outweigh what is allocated.
  for (const { name, value } of rows)
    assert.ok(Number.isFinite(value) && (value >= 0 || name.endsWith(".bytes")), `${name}: ${value}`);
});

test("ends the process that it measures, and rejects, when it is to stop", async () => {
  const stop = new AbortController();
  // Whether that is while the process starts or while it is measured.
  const progress = () => void setTimeout(() => stop.abort(), 500);
  await assert.rejects(resilienceBench.run({ ...settings, seconds: 60, signal: stop.signal, progress }), /has ended/);
});
