import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type SourceImport, sourceImports } from "./source-imports.ts";
import { packageFolders } from "./workspace.ts";

/** A package of this repository, as its rules need it. */
export interface WorkspacePackage {
  /** Relative to the root: "libs/kernel". */
  readonly folder: string;
  readonly name: string;
  /** The subpaths of its `exports`: ".", "./user/*". */
  readonly exports: readonly string[];
  readonly dependencies: readonly string[];
  readonly devDependencies: readonly string[];
  readonly testScript: string | undefined;
  readonly files: readonly SourceFile[];
}

export interface SourceFile {
  /** Relative to the root. */
  readonly path: string;
  readonly imports: readonly SourceImport[];
}

interface Manifest {
  readonly name: string;
  readonly exports?: string | Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly scripts?: Readonly<Record<string, string>>;
}

/** Reads every package below the root, with what its sources import. Throws when a source does not parse. */
export function readPackages(root: string): WorkspacePackage[] {
  return packageFolders(root).map((folder) => {
    const manifest: Manifest = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
    const { name, exports = {}, dependencies = {}, devDependencies = {}, scripts = {} } = manifest;
    return {
      folder,
      name,
      exports: typeof exports === "string" ? ["."] : Object.keys(exports),
      dependencies: Object.keys(dependencies),
      devDependencies: Object.keys(devDependencies),
      testScript: scripts["test"],
      files: globSync(`${folder}/src/**/*.ts`, { cwd: root })
        .sort()
        .map((path) => ({ path, imports: sourceImports(path, readFileSync(join(root, path), "utf8")) })),
    };
  });
}
