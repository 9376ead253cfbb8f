import { readServices } from "@shoal/services";
import { composeFiles } from "./compose.ts";
import { kubernetesFiles } from "./kubernetes.ts";

/** The folders that hold nothing but files which are written here. */
export const writtenFolders = ["deploy/compose", "deploy/kubernetes/services"] as const;

/** The files in `deploy/` that tell of every service below `root`: their texts by their paths from there. */
export function deployFiles(root: string): ReadonlyMap<string, string> {
  const services = readServices(root);
  return new Map([...composeFiles(services), ...kubernetesFiles(services)]);
}
