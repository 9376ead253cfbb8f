import { isBuiltin } from "node:module";
import { matchesGlob, posix } from "node:path";
import type { SourceImport } from "./source-imports.ts";
import type { SourceFile, WorkspacePackage } from "./workspace-packages.ts";

/** The rules' data: `layers.json`, the one machine-readable copy of the design's layer table. */
export interface Layers {
  /** The libraries, lowest layer first. */
  readonly layers: readonly (readonly string[])[];
  /** The libraries that only tests import. They may import any library. */
  readonly forTests: readonly string[];
  /** Which files are tests, as globs from the root. */
  readonly tests: readonly string[];
  /** The packages that an app's domain may import. */
  readonly domainImports: readonly string[];
  /** The packages that speak SQL. */
  readonly sql: readonly string[];
  /** Packages that only some folders may import. */
  readonly onlyIn: Readonly<Record<string, readonly string[]>>;
  /** `import` is a specifier, or a glob of them. */
  readonly exceptions: readonly { readonly from: string; readonly import: string; readonly why: string }[];
}

/** What a package that has tests must have as its `test` script. */
export const testScript = "node ../../tools/repo/src/run-tests.ts";

/** Checks every import of every package, and that no package's tests are left out. Answers one line a violation. */
export function boundaryViolations(packages: readonly WorkspacePackage[], layers: Layers): string[] {
  const byName = new Map(packages.map((each) => [each.name, each]));
  return packages.flatMap((from) => [
    ...manifestViolations(from, layers),
    ...from.files.flatMap((file) => {
      const isTest = layers.tests.some((glob) => matchesGlob(file.path, glob));
      return file.imports.flatMap((imported) =>
        brokenRules({ from, file, imported, byName, layers, isTest }).map(
          (rule) => `${file.path}:${imported.line}  "${imported.specifier}"  ${rule}`,
        ),
      );
    }),
  ]);
}

interface Context {
  readonly from: WorkspacePackage;
  readonly file: SourceFile;
  readonly imported: SourceImport;
  readonly byName: ReadonlyMap<string, WorkspacePackage>;
  readonly layers: Layers;
  readonly isTest: boolean;
}

function manifestViolations(from: WorkspacePackage, layers: Layers): string[] {
  const found: string[] = [];
  const at = `${from.folder}/package.json`;
  const [kind, short = ""] = from.folder.split("/");
  if (kind === "libs" && layerOf(short, layers) === undefined && !layers.forTests.includes(short)) {
    found.push(`${at}  the library is in no layer: add it to tools/repo/layers.json and docs`);
  }
  if (from.files.some(({ path }) => path.endsWith(".test.ts")) && from.testScript !== testScript) {
    found.push(`${at}  its tests are not run: it needs "scripts": { "test": "${testScript}" }`);
  }
  return found;
}

function brokenRules(context: Context): string[] {
  const { imported, from } = context;
  if (imported.specifier.startsWith(".")) return relativeRules(context);
  const name = packageName(imported.specifier);
  if (isBuiltin(name) || name === from.name) return placeRules(context, name);
  return [...placeRules(context, name), ...packageRules(context, name)];
}

function relativeRules({ file, imported, from, isTest }: Context): string[] {
  const target = posix.join(posix.dirname(file.path), imported.specifier);
  if (!target.startsWith(`${from.folder}/`)) return ["another package is imported by its name, through its exports"];
  const place = isTest ? undefined : placeOf(file.path);
  if (place === "domain" && placeOf(target) !== "domain") return ["the domain imports none of the app's other files"];
  if (place === "handlers" && placeOf(target) === "store") return ["handlers do not import the store"];
  return [];
}

/** Which part of an app a file belongs to: a folder below src, or the one file of that name. */
function placeOf(path: string): string | undefined {
  return /^apps\/[^/]+\/src\/(domain|handlers|store)(?:\/|\.ts$)/.exec(path)?.[1];
}

/** The rules that an app's domain and handlers have for packages and Node's own modules. */
function placeRules({ file, isTest, layers }: Context, name: string): string[] {
  const place = isTest ? undefined : placeOf(file.path);
  if (place === "domain" && !layers.domainImports.includes(name)) {
    return [`of packages, the domain imports only ${layers.domainImports.join(", ")}`];
  }
  if (place === "handlers" && layers.sql.includes(name)) return ["handlers do not import SQL packages"];
  return [];
}

function packageRules(context: Context, name: string): string[] {
  const { from, imported, byName, isTest, layers } = context;
  const found: string[] = [];
  // A tool is never a dependency of what runs, so it may keep its own in either place.
  const withDev = isTest || from.folder.startsWith("tools/");
  if (!from.dependencies.includes(name) && !(withDev && from.devDependencies.includes(name))) {
    const where = withDev ? "dependencies or devDependencies" : "dependencies";
    found.push(`${name} is not in the ${where} of ${from.folder}/package.json`);
  }
  const homes = layers.onlyIn[name];
  if (homes !== undefined && !homes.includes(from.folder)) found.push(`only ${homes.join(", ")} import ${name}`);
  const target = byName.get(name);
  if (target === undefined) return found;
  const subpath = `.${imported.specifier.slice(name.length)}`;
  if (!target.exports.some((pattern) => matchesExport(subpath, pattern))) {
    found.push(`${target.folder}/package.json does not export "${subpath}"`);
  }
  const excepted = layers.exceptions.some(
    (each) => each.from === from.folder && matchesGlob(imported.specifier, each.import),
  );
  const wrongWay = excepted ? undefined : directionRule(context, target);
  return wrongWay === undefined ? found : [...found, wrongWay];
}

function directionRule({ from, layers, isTest }: Context, target: WorkspacePackage): string | undefined {
  const [fromKind, fromShort = ""] = from.folder.split("/");
  const [toKind, toShort = ""] = target.folder.split("/");
  if (toKind === "apps") return "nothing imports an app";
  if (toKind === "tools") return fromKind === "tools" ? undefined : "only tools import tools";
  if (layers.forTests.includes(toShort)) return isTest ? undefined : `only tests import ${target.name}`;
  if (fromKind !== "libs" || layers.forTests.includes(fromShort)) return undefined;
  const fromLayer = layerOf(fromShort, layers);
  const toLayer = layerOf(toShort, layers);
  if (fromLayer === undefined || toLayer === undefined || toLayer < fromLayer) return undefined;
  const relation = toLayer === fromLayer ? "both are in layer" : `${fromShort} is in layer ${fromLayer}, ${toShort} in`;
  return `a library imports only layers below its own: ${relation} ${toLayer}`;
}

function layerOf(library: string, { layers }: Layers): number | undefined {
  const layer = layers.findIndex((names) => names.includes(library));
  return layer === -1 ? undefined : layer;
}

/** "@shoal/kernel/x" → "@shoal/kernel"; "kysely/y" → "kysely"; a module of Node's own is its whole name. */
function packageName(specifier: string): string {
  if (isBuiltin(specifier)) return specifier;
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

function matchesExport(subpath: string, pattern: string): boolean {
  const [before = "", after] = pattern.split("*");
  if (after === undefined) return subpath === pattern;
  return subpath.length > before.length + after.length && subpath.startsWith(before) && subpath.endsWith(after);
}
