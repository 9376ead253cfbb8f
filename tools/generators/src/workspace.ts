import { type Services, servicesOf } from "@shoal/services";
import { deployFiles, writtenFolders } from "@shoal/tools-deploy";
import type { Tree } from "nx/src/devkit-exports";

/** The services that the tree has. */
export function servicesIn(tree: Tree): Services {
  const manifests = tree
    .children("apps")
    .map((name) => [name, tree.read(`apps/${name}/package.json`, "utf8")] as const)
    .filter((entry): entry is readonly [string, string] => entry[1] !== null);
  return servicesOf(tree.root, new Map(manifests));
}

/** Brings the files in `deploy/` that tell of every service up to date with the tree's. */
export function writeDeployFiles(tree: Tree): void {
  const files = deployFiles(servicesIn(tree));
  for (const folder of writtenFolders)
    for (const name of tree.children(folder)) if (!files.has(`${folder}/${name}`)) tree.delete(`${folder}/${name}`);
  for (const [path, text] of files) if (tree.read(path, "utf8") !== text) tree.write(path, text);
}
