import assert from "node:assert/strict";
import { test } from "node:test";
import { anchorsIn, linksIn, namedBlocksIn, scriptsIn } from "./markdown.ts";

test("links are found with their lines, those over two lines too, and none in code", () => {
  const text =
    "A [link](a.md) and\n[one over\ntwo](b.md#c).\n```\n[no](x.md)\n```\n`[no](y.md)` [`code`](z.ts) ![p](p.png)";
  assert.deepEqual(linksIn(text), [
    { target: "a.md", line: 1 },
    { target: "b.md#c", line: 2 },
    { target: "z.ts", line: 7 },
    { target: "p.png", line: 7 },
  ]);
});

test("headings are called as GitHub calls them, the second of a name with a number", () => {
  const text = "# 3. The `store`, and [why](x.md)\n\n## Größe\n## Größe\n```sh\n# no heading\n```\n";
  assert.deepEqual([...anchorsIn(text)], ["3-the-store-and-why", "größe", "größe-1"]);
});

test("scripts are found in text and in code", () => {
  assert.deepEqual(scriptsIn("`npm run check:all`, then\n```\nnpm run -s bench -- rpc\nnpm run bench\n```"), [
    "check:all",
    "bench",
  ]);
});

test("blocks of code have the file's name that stands before them", () => {
  const text =
    "`a.ts`:\n\n```ts\nconst a = 1;\n```\n\nNo name:\n\n```ts\n```\n\n`b.ts`, changed:\n\n```diff\n+b\n```\n";
  assert.deepEqual(namedBlocksIn(text), [
    { file: "a.ts", language: "ts", code: "const a = 1;\n" },
    { file: "b.ts", language: "diff", code: "+b\n" },
  ]);
});
