import assert from "node:assert/strict";
import { test } from "node:test";
import { sourceImports } from "./source-imports.ts";

test("finds every way to import, with its line", () => {
  const source = `import "a";
import type { B } from "b";
export * from "c";
export type { D } from "d";
const e = await import("e");
type F = import("f").F;
type G = typeof import("g");
import h = require("h");
require("i");
import.meta.resolve("j");
const k = "import 'k'"; // import "l"
export const m = await import(k);`;
  assert.deepEqual(
    sourceImports("x.ts", source).map(({ specifier, line }) => `${line} ${specifier}`),
    ["1 a", "2 b", "3 c", "4 d", "5 e", "6 f", "7 g", "8 h", "9 i", "10 j"],
  );
});

test("counts lines past characters outside ASCII", () => {
  assert.deepEqual(sourceImports("x.ts", `// ✓ 🐟\n\nimport "a";`), [{ specifier: "a", line: 3 }]);
});

test("names the file that does not parse", () => {
  assert.throws(() => sourceImports("libs/x/src/y.ts", "import from"), /libs\/x\/src\/y\.ts/);
});
