import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createLogger } from "@shoal/telemetry";
import { temporaryDirectory } from "@shoal/testkit";
import { PoliciesFile } from "./policies-file.ts";

const get = "/shoal.user.v1.UserService/GetUser";
const list = "/shoal.user.v1.UserService/ListUsers";

/** A file that holds `text`, and what has been logged about it. */
async function start(t: TestContext, text: string, base = {}) {
  const path = join(await temporaryDirectory(t), "policies.json");
  writeFileSync(path, text);
  const lines: { readonly level: string; readonly problem?: string }[] = [];
  const log = createLogger("test", "info", { write: (line: string) => void lines.push(JSON.parse(line)) });
  const file = new PoliciesFile(path, base, log);
  t.after(() => file.stop());
  return { path, lines, file };
}

test("a file's policies win over those that are set besides, field by field, and follow the file", async (t) => {
  const base = { [get]: { timeoutMs: 1, priority: "critical" as const } };
  const { path, lines, file } = await start(t, JSON.stringify({ [get]: { timeout: "2s" } }), base);
  assert.deepEqual(file.policies.overrides, { [get]: { timeoutMs: 2_000, priority: "critical" } });
  writeFileSync(path, JSON.stringify({ [list]: { timeout: "3s" } }));
  await file.reload();
  assert.deepEqual(file.policies.overrides, { ...base, [list]: { timeoutMs: 3_000 } });
  await file.reload();
  assert.deepEqual(
    lines.map(({ level }) => level),
    ["info"],
  );
});

test("a file that is no good any more, or gone, changes nothing and is logged once", async (t) => {
  const { path, lines, file } = await start(t, JSON.stringify({ [get]: { timeout: "2s" } }));
  writeFileSync(path, '{"/shoal.user.v1.UserService/GetUser": {"timeout": "2 hours"}}');
  await file.reload();
  await file.reload();
  assert.equal(lines.length, 1);
  assert.match(lines[0]?.problem ?? "", /GetUser: .*Duration/);
  rmSync(path);
  await file.reload();
  await file.reload();
  assert.deepEqual(
    lines.map(({ level }) => level),
    ["warn", "warn"],
  );
  assert.deepEqual(file.policies.overrides, { [get]: { timeoutMs: 2_000 } });
  writeFileSync(path, "{}");
  await file.reload();
  assert.deepEqual(file.policies.overrides, {});
});

test("a file that is no good to begin with is named", async (t) => {
  await assert.rejects(start(t, "{"), /policies from the file .*policies\.json: must be JSON/);
  assert.throws(
    () => new PoliciesFile("/nowhere/policies.json", {}, createLogger("test", "fatal")),
    /^Error: policies from the file \/nowhere\/policies\.json: there is no such file$/,
  );
});
