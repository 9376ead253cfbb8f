import type { Tree } from "nx/src/devkit-exports";

const path = "package-lock.json";

interface LockFile {
  readonly packages: Readonly<Record<string, unknown>>;
}

/** Has package-lock.json know of the package in `folder`, as npm would write it: all it depends on is there already. */
export function addToLockFile(tree: Tree, folder: string): void {
  const { name, version, dependencies, devDependencies } = JSON.parse(
    tree.read(`${folder}/package.json`, "utf8") ?? "",
  );
  change(tree, {
    [folder]: { name, version, ...(dependencies && { dependencies }), ...(devDependencies && { devDependencies }) },
    [`node_modules/${name}`]: { resolved: folder, link: true },
  });
}

/** Has it forget that package. */
export function removeFromLockFile(tree: Tree, folder: string): void {
  const { name } = JSON.parse(tree.read(`${folder}/package.json`, "utf8") ?? "");
  change(tree, { [folder]: undefined, [`node_modules/${name}`]: undefined });
}

/** The version that everybody here has of a dependency. */
export function lockedVersion(tree: Tree, dependency: string): string {
  const { packages } = read(tree);
  const { version } = (packages[`node_modules/${dependency}`] ?? {}) as { version?: string };
  if (version === undefined) throw new Error(`${path} knows no ${dependency}`);
  return version;
}

function read(tree: Tree): LockFile {
  return JSON.parse(tree.read(path, "utf8") ?? "");
}

/** Entries stand sorted as npm sorts them, the root's first. */
function change(tree: Tree, entries: Readonly<Record<string, unknown>>): void {
  const lock = read(tree);
  const { "": root, ...others } = { ...lock.packages, ...entries };
  const kept = Object.entries(others).filter(([, entry]) => entry !== undefined);
  const sorted = kept.sort(([one], [other]) => one.localeCompare(other, "en"));
  tree.write(
    path,
    `${JSON.stringify({ ...lock, packages: { "": root, ...Object.fromEntries(sorted) } }, undefined, 2)}\n`,
  );
}
