import { globSync } from "node:fs";
import { delimiter, join } from "node:path";

/** The repository's root folder. */
export const workspaceRoot = join(import.meta.dirname, "../../..");

/** The folders of all packages, relative to the root, sorted. */
export function packageFolders(root = workspaceRoot): string[] {
  return globSync("{libs,apps,tools}/*/package.json", { cwd: root })
    .map((path) => path.slice(0, -"/package.json".length))
    .sort();
}

/** This process's environment with the installed tools, the pinned Node among them, first on PATH. */
export function toolEnvironment(root = workspaceRoot): NodeJS.ProcessEnv {
  return { ...process.env, PATH: [join(root, "node_modules/.bin"), process.env["PATH"] ?? ""].join(delimiter) };
}
