import type { Services } from "@shoal/services";
import { composeFiles } from "./compose.ts";
import { kubernetesFiles } from "./kubernetes.ts";

/** The folders that hold nothing but files which are written here. */
export const writtenFolders = ["deploy/compose", "deploy/kubernetes/services"] as const;

/** The files in `deploy/` that tell of every service: their texts by their paths from the root of the repository. */
export function deployFiles(services: Services): ReadonlyMap<string, string> {
  return new Map([...composeFiles(services), ...kubernetesFiles(services)]);
}
