import type { Tree } from "nx/src/devkit-exports";
import { finish } from "../finish.ts";
import { removeFromLockFile } from "../lock-file.ts";
import { requireService, servicesIn, sourcesIn, writeDeployFiles } from "../workspace.ts";

/**
 * `nx g remove-service NAME`: deletes a service with its contract, and all that tells of it. Throws an `Error` that says why it must
 * stay, before anything is deleted.
 */
export async function removeServiceGenerator(tree: Tree, { name }: { readonly name: string }): Promise<() => void> {
  const all = servicesIn(tree);
  if (name === all.gateway.name) throw new Error(`${name} is the door to all services: it must stay`);
  requireService(all, name);
  const callers = all.services.filter(({ calls }) => calls.includes(name)).map((service) => service.name);
  if (callers.length > 0) throw new Error(`${name} is called by ${callers.join(" and ")}: that must end first`);
  const users = ["apps", "libs", "tools"]
    .flatMap((folder) => sourcesIn(tree, folder))
    .filter(
      (path) => !path.startsWith(`apps/${name}/`) && tree.read(path, "utf8")?.includes(`@shoal/contracts/${name}/`),
    );
  if (users.length > 0) throw new Error(`the contract of ${name} is used, which must end first: ${users.join(", ")}`);
  removeFromLockFile(tree, `apps/${name}`);
  tree.delete(`apps/${name}`);
  tree.delete(`proto/shoal/${name}`);
  writeDeployFiles(tree);
  return finish(tree, [
    "",
    `The ${name} service is gone. Its data is not: .shoal/data/${name}.db*, and the database shoal_${name} of MySQL.`,
  ]);
}
