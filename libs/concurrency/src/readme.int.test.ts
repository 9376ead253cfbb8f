import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { format } from "node:util";

test("the README's examples print what they say", async (t) => {
  const text = await readFile(join(import.meta.dirname, "../README.md"), "utf8");
  const examples = [...text.matchAll(/```ts\n(.*?)```/gs)].map(([, code = ""]) => code);
  // Within the package, where its imports are found; and ignored by git.
  const results = join(import.meta.dirname, "../test-results");
  await mkdir(results, { recursive: true });
  const folder = await mkdtemp(join(results, "readme-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const printed: string[] = [];
  t.mock.method(console, "log", (...values: unknown[]) => void printed.push(format(...values)));
  let checked = 0;
  for (const [index, code] of examples.entries()) {
    const file = join(folder, /^\/\/ (\S+\.ts)\n/.exec(code)?.[1] ?? `example-${index}.ts`);
    await writeFile(file, code);
    printed.length = 0;
    await import(pathToFileURL(file).href);
    const expected = [...code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, line]) => line);
    // Of a loop only what comes first is said.
    assert.deepEqual(/for await .*console\.log/.test(code) ? printed.slice(0, 1) : printed, expected);
    checked += expected.length;
  }
  assert.ok(examples.length >= 11 && checked >= 11, `${checked} lines of ${examples.length} examples`);
});
