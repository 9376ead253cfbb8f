import { spawnSync } from "node:child_process";
import { globSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Tree } from "nx/src/devkit-exports";
import { finish } from "../finish.ts";
import { removeFromLockFile } from "../lock-file.ts";
import { requireService, servicesIn, sourcesIn, writeDeployFiles } from "../workspace.ts";

/**
 * `nx g remove-service NAME`: deletes a service with its contract, and all that tells of it; what git could not bring back is kept in
 * `.shoal/removed/`. Throws an `Error` that says why it must stay, before anything is deleted.
 */
export async function removeServiceGenerator(tree: Tree, { name }: { readonly name: string }): Promise<() => void> {
  const all = servicesIn(tree);
  if (name === all.gateway.name) throw new Error(`${name} is the door to all services: it must stay`);
  requireService(all, name);
  const isStateful = all.services.some((service) => service.name === name && service.storage === "sql");
  const callers = all.services.filter(({ calls }) => calls.includes(name)).map((service) => service.name);
  if (callers.length > 0) throw new Error(`${name} is called by ${callers.join(" and ")}: that must end first`);
  const users = ["apps", "libs", "tools"]
    .flatMap((folder) => sourcesIn(tree, folder))
    .filter(
      (path) => !path.startsWith(`apps/${name}/`) && tree.read(path, "utf8")?.includes(`@shoal/contracts/${name}/`),
    );
  if (users.length > 0) throw new Error(`the contract of ${name} is used, which must end first: ${users.join(", ")}`);
  const folders = [`apps/${name}`, `proto/shoal/${name}`];
  const kept = `.shoal/removed/${name}-${new Date().toISOString().replaceAll(/[:.]/g, "-")}`;
  const uncommitted = uncommittedIn(tree.root, folders);
  for (const path of uncommitted) tree.write(`${kept}/${path}`, tree.read(path) ?? "");
  removeFromLockFile(tree, `apps/${name}`);
  for (const folder of folders) tree.delete(folder);
  writeDeployFiles(tree);
  return finish(tree, [
    "",
    `The ${name} service is gone.`,
    ...(isStateful ? [`Its data is not: .shoal/data/${name}.db*, and the database shoal_${name} of MySQL.`] : []),
    ...(uncommitted.length > 0 ? [`What was not committed of it is in ${kept}.`] : []),
  ]);
}

/** The files there that git does not have as they are; all of them where there is no git. */
function uncommittedIn(root: string, folders: readonly string[]): readonly string[] {
  const args = ["ls-files", "--modified", "--others", "--exclude-standard", "--deduplicate", "-z", "--", ...folders];
  const { status, stdout } = spawnSync("git", args, { cwd: root, encoding: "utf8" });
  const listed =
    status === 0
      ? stdout.split("\0")
      : globSync(
          folders.map((folder) => `${folder}/**`),
          { cwd: root, exclude: (path) => /(?:^|\/)(?:node_modules|test-results)$/.test(path) },
        );
  return listed.filter((path) => statSync(join(root, path), { throwIfNoEntry: false })?.isFile() && path !== "");
}
