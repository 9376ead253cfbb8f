import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { lastingPort } from "@shoal/testkit";

test("the README's server and client do what it says", async (t) => {
  const text = await readFile(join(import.meta.dirname, "../README.md"), "utf8");
  const [server = "", client = ""] = [...text.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code);
  // Another port than the README's, which may be in use here.
  const port = await lastingPort();
  // Within the package, where its imports are found; and ignored by git.
  const results = join(import.meta.dirname, "../test-results");
  await mkdir(results, { recursive: true });
  const folder = await mkdtemp(join(results, "readme-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const place = async (name: string, code: string) => {
    const path = join(folder, name);
    await writeFile(path, code.replace(/50_?060/, String(port)));
    return path;
  };
  const serving = spawn(process.execPath, [await place("server.ts", server)], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  t.after(() => serving.kill("SIGKILL"));
  const script = await place("client.ts", client);
  let run = spawnSync(process.execPath, [script], { encoding: "utf8" });
  for (; /ECONNREFUSED/.test(run.stderr); run = spawnSync(process.execPath, [script], { encoding: "utf8" }))
    await sleep(50);
  assert.equal(run.stderr, "");
  assert.match(run.stdout, /^green tea black tea\n.*field: 'parcel.number'/s);
  serving.kill("SIGTERM");
  assert.deepEqual(await once(serving, "exit"), [0, null]);
});
