import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import type { BenchRow } from "./bench.ts";

const script = join(import.meta.dirname, "main.ts");

function run(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: "utf8" });
  return { status, stdout, stderr };
}

test("runs every peer of the rpc bench and ends on the rows, the headline first", () => {
  const { status, stdout, stderr } = run("rpc", "--rounds", "1", "--seconds", "0.1", "--json");
  assert.equal(status, 0, stderr);
  const rows: BenchRow[] = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "");
  assert.equal(rows[0]?.name, "rpc.unary.throughput");
  for (const { name, value, baseline, ratio } of rows)
    for (const figure of [value, baseline, ratio]) {
      assert.ok(Number.isFinite(figure), name);
      // What a layer costs is a difference, which may be lost in the noise of so short a run.
      assert.ok(Number(figure) > 0 || name.startsWith("rpc.layer."), name);
    }
  assert.ok(rows.some(({ name }) => name === "rpc.layer.validation"));
  for (const peer of ["grpc-js", "shoal", "nice-grpc", "connect-node", "nestjs"])
    assert.equal(rows.filter(({ name }) => name.endsWith(`.${peer}`)).length, 7, peer);
});

test("lists the benches, and ends with 2, for one that it does not know", () => {
  const { status, stderr } = run("nothing");
  assert.match(stderr, /^there is no bench "nothing"; there are: rpc/);
  assert.match(stderr, /^ {2}rpc +what a unary call costs/m);
  assert.equal(status, 2);
});

test("its processes end with it, when it is stopped and when it is killed", async () => {
  for (const [signal, ending] of [
    ["SIGINT", [130, null]],
    ["SIGKILL", [null, "SIGKILL"]],
  ] as const) {
    const bench = spawn(process.execPath, [script, "rpc", "--only", "grpc-js"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    bench.stderr.on("data", (text) => {
      if (String(text).includes("warming up")) bench.kill(signal);
    });
    // Standard error is closed when the last process that writes to it, which all of them do, has ended.
    assert.deepEqual(await once(bench, "close"), ending);
  }
});
