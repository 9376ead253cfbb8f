import type { Tree } from "nx/src/devkit-exports";
import { finish } from "../finish.ts";
import { removeFromLockFile } from "../lock-file.ts";
import { servicesIn, writeDeployFiles } from "../workspace.ts";

/**
 * `nx g remove-service NAME`: deletes a service with its contract, and all that tells of it. Throws an `Error` that says why it must
 * stay, before anything is deleted.
 */
export async function removeServiceGenerator(tree: Tree, { name }: { readonly name: string }): Promise<() => void> {
  const { services, gateway } = servicesIn(tree);
  if (name === gateway.name) throw new Error(`${name} is the door to all services: it must stay`);
  if (!services.some((service) => service.name === name)) {
    const known = services.map((service) => service.name).join(", ");
    throw new Error(`there is no service ${name}; there are ${known}`);
  }
  const callers = services.filter(({ calls }) => calls.includes(name)).map((service) => service.name);
  if (callers.length > 0) throw new Error(`${name} is called by ${callers.join(" and ")}: that must end first`);
  removeFromLockFile(tree, `apps/${name}`);
  tree.delete(`apps/${name}`);
  tree.delete(`proto/shoal/${name}`);
  writeDeployFiles(tree);
  return () =>
    finish(tree.root, {
      written: [],
      says: [
        "",
        `The ${name} service is gone. Its data is not: .shoal/data/${name}.db*, and the database shoal_${name} of MySQL.`,
      ],
    });
}
