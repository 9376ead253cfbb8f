import { type Services, servicesOf } from "@shoal/services/read-services";
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

/** Throws an `Error`, which names those that there are, where there is no such service. */
export function requireService({ services }: Services, name: string): void {
  if (services.some((service) => service.name === name)) return;
  throw new Error(`there is no service ${name}; there are ${services.map((service) => service.name).join(", ")}`);
}

/** The paths of the TypeScript files in a folder of the tree, and in the folders there. */
export function sourcesIn(tree: Tree, folder: string): readonly string[] {
  return tree.children(folder).flatMap((name) => {
    const path = `${folder}/${name}`;
    if (!tree.isFile(path)) return name === "node_modules" || name === "gen" ? [] : sourcesIn(tree, path);
    return name.endsWith(".ts") ? [path] : [];
  });
}

/** Brings the files in `deploy/` that tell of every service up to date with the tree's. */
export function writeDeployFiles(tree: Tree): void {
  const files = deployFiles(servicesIn(tree));
  for (const folder of writtenFolders)
    for (const name of tree.children(folder)) if (!files.has(`${folder}/${name}`)) tree.delete(`${folder}/${name}`);
  for (const [path, text] of files) if (tree.read(path, "utf8") !== text) tree.write(path, text);
}
