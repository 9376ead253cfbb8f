import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { repositoryRoot } from "@shoal/services";
import { anchorsIn, linksIn, scriptsIn } from "./markdown.ts";

const paths = globSync(["*.md", "{docs,deploy}/**/*.md", "{apps,libs,tools}/*/README.md"], { cwd: repositoryRoot });
const texts = new Map(paths.toSorted().map((path) => [path, readFileSync(join(repositoryRoot, path), "utf8")]));
const manifest = JSON.parse(readFileSync(join(repositoryRoot, "package.json"), "utf8"));

/** What is wrong with a link, or undefined. */
function problemOf(from: string, target: string): string | undefined {
  if (/^(https?|mailto):/.test(target)) return undefined;
  const [path = "", anchor] = target.split("#");
  const to = path === "" ? from : relative(repositoryRoot, join(repositoryRoot, dirname(from), path));
  if (to.startsWith("..")) return "leads out of the repository";
  if (!existsSync(join(repositoryRoot, to))) return "leads to nothing";
  if (anchor === undefined) return undefined;
  const text = texts.get(to);
  if (text === undefined) return "has an anchor, and its file is no text that this test reads";
  return anchorsIn(text).has(anchor) ? undefined : `leads to a heading that ${to} does not have`;
}

test("every link of the documentation leads to a file, and to a heading of it", () => {
  const wrong = [...texts].flatMap(([path, text]) =>
    linksIn(text).flatMap(({ target, line }) => {
      const problem = problemOf(path, target);
      return problem === undefined ? [] : [`${path}:${line}  ${target}  ${problem}`];
    }),
  );
  assert.deepEqual(wrong, []);
});

test("every script that the documentation has one run exists", () => {
  const wrong = [...texts].flatMap(([path, text]) =>
    scriptsIn(text)
      .filter((script) => !(script in manifest.scripts))
      .map((script) => `${path}  npm run ${script}`),
  );
  assert.deepEqual(wrong, []);
});

test("the index names every guide and every record", () => {
  const index = texts.get("docs/README.md") ?? "";
  const named = new Set(linksIn(index).map(({ target }) => join("docs", target)));
  const documents = paths.filter((path) => path.startsWith("docs/") && path !== "docs/README.md");
  assert.deepEqual(
    documents.filter((path) => !named.has(path)),
    [],
  );
});
