import assert from "node:assert/strict";
import { test } from "node:test";
import { boundaryViolations, type Layers, testScript } from "./boundaries.ts";
import { sourceImports } from "./source-imports.ts";
import type { WorkspacePackage } from "./workspace-packages.ts";

const layers: Layers = {
  layers: [["kernel", "contracts"], ["pool"], ["storage", "cache"], ["rpc"]],
  forTests: ["testkit"],
  tests: ["**/*.test.ts", "**/*.contract.ts", "tools/e2e/**"],
  domainImports: ["@shoal/kernel"],
  sql: ["kysely", "mysql2", "node:sqlite"],
  onlyIn: { "@grpc/grpc-js": ["libs/rpc", "libs/discovery"] },
  exceptions: [
    { from: "tools/repo", import: "@shoal/testkit/servers", why: "shared" },
    { from: "tools/repo", import: "@shoal/order/**", why: "driven" },
  ],
};

const exportsOf: Readonly<Record<string, readonly string[]>> = {
  "libs/contracts": ["./google/*", "./*"],
  "libs/testkit": [".", "./servers"],
  "apps/order": [".", "./domain/*"],
};

/** All packages of a small workspace, each declaring all others; one of them holds the given file. */
function workspace(path: string, source: string, changes: Partial<WorkspacePackage> = {}): WorkspacePackage[] {
  const libs = ["kernel", "contracts", "pool", "storage", "cache", "rpc", "testkit"].map((lib) => `libs/${lib}`);
  const folders = [...libs, "apps/order", "apps/user", "tools/repo", "tools/launcher", "tools/e2e"];
  const nameOf = (folder: string) => folder.replace(/^(libs|apps)\//, "@shoal/").replace(/^tools\//, "@shoal/tools-");
  return folders.map((folder) => {
    const isHolder = path.startsWith(`${folder}/`);
    return {
      folder,
      name: nameOf(folder),
      exports: exportsOf[folder] ?? ["."],
      dependencies: [...folders.map(nameOf), "kysely", "mysql2", "@grpc/grpc-js"],
      devDependencies: [],
      testScript,
      files: isHolder ? [{ path, imports: sourceImports(path, source) }] : [],
      ...(isHolder ? changes : {}),
    };
  });
}

function violations(path: string, source: string, changes?: Partial<WorkspacePackage>): string[] {
  return boundaryViolations(workspace(path, source, changes), layers);
}

const broken: readonly (readonly [rule: string, path: string, specifier: string, message: RegExp])[] = [
  ["a library does not import a layer above", "libs/pool/src/a.ts", "@shoal/rpc", /pool is in layer 1, rpc in 3/],
  ["a library does not import a sibling", "libs/cache/src/a.ts", "@shoal/storage", /both are in layer 2/],
  ["a library's test keeps to the layers too", "libs/pool/src/a.test.ts", "@shoal/rpc", /only layers below/],
  ["a library does not import an app", "libs/rpc/src/a.ts", "@shoal/order", /nothing imports an app/],
  ["an app does not import an app", "apps/user/src/a.ts", "@shoal/order", /nothing imports an app/],
  ["a tool does not import an app", "tools/launcher/src/a.ts", "@shoal/order", /nothing imports an app/],
  ["a library does not import a tool", "libs/rpc/src/a.ts", "@shoal/tools-launcher", /only tools import tools/],
  ["only tests import the testkit", "libs/rpc/src/a.ts", "@shoal/testkit", /only tests import @shoal\/testkit/],
  ["nor does a tool's own code", "tools/launcher/src/a.ts", "@shoal/testkit", /only tests import @shoal\/testkit/],
  ["an exception is for one import only", "tools/repo/src/a.ts", "@shoal/testkit", /only tests import/],
  ["an exception is for one package only", "tools/launcher/src/a.ts", "@shoal/testkit/servers", /only tests import/],
  ["so is one for many imports", "tools/launcher/src/a.ts", "@shoal/order/domain/orders", /nothing imports an app/],
  ["a domain imports no app file outside it", "apps/order/src/domain/a.ts", "../store/b.ts", /the app's other files/],
  ["a domain imports no SQL", "apps/order/src/domain.ts", "kysely", /imports only @shoal\/kernel/],
  ["a domain imports none of Node's modules", "apps/order/src/domain/a.ts", "node:fs", /imports only @shoal\/kernel/],
  ["a domain imports no other library", "apps/order/src/domain/a.ts", "@shoal/rpc", /imports only @shoal\/kernel/],
  ["handlers import no store", "apps/order/src/handlers/a.ts", "../store/b.ts", /handlers do not import the store/],
  ["handlers import no SQL package", "apps/order/src/handlers/a.ts", "mysql2/promise", /no(t import)? SQL packages/],
  ["handlers import no embedded SQL", "apps/order/src/handlers/a.ts", "node:sqlite", /SQL packages/],
  [
    "grpc-js is imported where it is wrapped only",
    "libs/storage/src/a.ts",
    "@grpc/grpc-js",
    /only libs\/rpc, .* import/,
  ],
  ["a package is not reached by a path", "libs/rpc/src/a.ts", "../../kernel/src/b.ts", /through its exports/],
  ["a package is not reached past its exports", "libs/rpc/src/a.ts", "@shoal/kernel/src/b.ts", /does not export/],
];
for (const [rule, path, specifier, message] of broken) {
  test(`fails: ${rule}`, () => {
    const [found, ...others] = violations(path, `\nimport type { A } from "${specifier}";\n`);
    assert.ok(found?.startsWith(`${path}:2  "${specifier}"  `), found);
    assert.match(found ?? "", message);
    assert.deepEqual(others, []);
  });
}

const kept: readonly (readonly [path: string, specifier: string])[] = [
  ["libs/rpc/src/a.ts", "@shoal/kernel"],
  ["libs/rpc/src/a.ts", "@grpc/grpc-js"],
  ["libs/rpc/src/a.ts", "@shoal/contracts/user/v1/user_service"],
  ["libs/rpc/src/a.test.ts", "@shoal/testkit"],
  ["libs/rpc/src/a.contract.ts", "@shoal/testkit"],
  ["libs/testkit/src/a.ts", "@shoal/rpc"],
  ["apps/order/src/service.ts", "./store/b.ts"],
  ["apps/order/src/store/a.ts", "kysely"],
  ["apps/order/src/domain/a.ts", "./b.ts"],
  ["apps/order/src/domain/a.ts", "@shoal/kernel"],
  ["apps/order/src/domain/a.test.ts", "node:assert/strict"],
  ["apps/order/src/handlers/a.ts", "../domain/b.ts"],
  ["tools/repo/src/a.ts", "@shoal/testkit/servers"],
  ["tools/repo/src/a.ts", "@shoal/order/domain/orders"],
  ["tools/e2e/src/a.ts", "@shoal/tools-launcher"],
  ["tools/e2e/src/a.ts", "@shoal/testkit"],
];
for (const [path, specifier] of kept) {
  test(`passes: ${path} imports ${specifier}`, () => {
    assert.deepEqual(violations(path, `export * from "${specifier}";`), []);
  });
}

test("fails: an imported package is not declared", () => {
  const undeclared = { dependencies: [], devDependencies: ["kysely"] };
  const [found] = violations("libs/storage/src/a.ts", `import "kysely";`, undeclared);
  assert.match(
    found ?? "",
    /^libs\/storage\/src\/a\.ts:1 {2}"kysely" {2}kysely is not in the dependencies of libs\/storage/,
  );
  assert.deepEqual(violations("libs/storage/src/a.test.ts", `import "kysely";`, undeclared), []);
  assert.match(violations("libs/storage/src/a.test.ts", `import "pg";`, undeclared)[0] ?? "", /or devDependencies of/);
});

test("fails: an exception does not lift the duty to declare", () => {
  const found = violations("tools/repo/src/a.ts", `import "@shoal/testkit/servers";`, { dependencies: [] });
  assert.match(found[0] ?? "", /@shoal\/testkit is not in the dependencies or devDependencies of tools\/repo/);
});

test("fails: a package with tests does not run them", () => {
  const found = violations("libs/pool/src/a.test.ts", "", { testScript: undefined });
  assert.match(found[0] ?? "", /^libs\/pool\/package\.json {2}its tests are not run/);
});

test("fails: a library is in no layer", () => {
  const [template] = workspace("libs/kernel/src/a.ts", "");
  assert.ok(template);
  const found = boundaryViolations([{ ...template, folder: "libs/new", name: "@shoal/new", files: [] }], layers);
  assert.match(found[0] ?? "", /^libs\/new\/package\.json {2}the library is in no layer/);
});
