import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { repositoryRoot } from "@shoal/services";

test("a list of services that cannot be is told of in a line, and nothing is made anew", (t) => {
  const root = mkdtempSync(join(tmpdir(), "shoal-generate-"));
  t.after(() => rmSync(root, { recursive: true }));
  for (const path of globSync(["tools/contracts", "package.json", "apps/*/package.json"], { cwd: repositoryRoot }))
    cpSync(join(repositoryRoot, path), join(root, path), { recursive: true });
  symlinkSync(join(repositoryRoot, "node_modules"), join(root, "node_modules"));
  const manifest = join(root, "apps/order/package.json");
  const { shoal, ...others } = JSON.parse(readFileSync(manifest, "utf8"));
  writeFileSync(manifest, JSON.stringify({ ...others, shoal: { ...shoal, grpcPort: 50_051 } }));

  const { status, stdout, stderr } = spawnSync(process.execPath, ["tools/contracts/src/generate.ts"], {
    cwd: root,
    encoding: "utf8",
  });
  assert.deepEqual(
    [status, stdout, stderr],
    [1, "", "apps/user/package.json: port 50051 is that of order already: one of them needs another grpcPort\n"],
  );
  assert.deepEqual(globSync("libs/contracts/*", { cwd: root }), []);
});
