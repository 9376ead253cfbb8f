import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { lastingPort } from "@shoal/testkit";

const script = join(import.meta.dirname, "main.ts");

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], {
    encoding: "utf8",
    env: { PATH: process.env["PATH"], ...env },
  });
  return { status, stdout, stderr };
}

test("says how to start the system when nothing answers, and ends with 1", async () => {
  const address = `127.0.0.1:${await lastingPort()}`;
  const { status, stderr } = run([], { SHOAL_DEMO_USER_ADDRESS: address });
  assert.equal(stderr.trim(), `nothing answers at ${address}; start it with npm start in another terminal`);
  assert.equal(status, 1);
});

test("ends with 2 and says how it is used for arguments that it does not know", () => {
  const { status, stderr } = run(["--order", "5"]);
  assert.match(stderr, /npm run demo \[-- options\]/);
  assert.equal(status, 2);
});

test("ends with 1 for settings that cannot be used, and for a catalogue that is not there", () => {
  const settings = run([], { SHOAL_DEMO_ORDER_ADDRESS: "here" });
  assert.match(settings.stderr, /SHOAL_DEMO_ORDER_ADDRESS: must be HOST:PORT/);
  assert.equal(settings.status, 1);
  const catalogue = run(["--catalogue", "none.csv"]);
  assert.match(catalogue.stderr, /there is no file .*none\.csv/);
  assert.equal(catalogue.status, 1);
});
