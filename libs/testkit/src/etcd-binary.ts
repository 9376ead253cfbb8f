import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Where `npm test` puts an etcd that it has fetched itself; removed with node_modules. */
export const fetchedEtcdPath = join(import.meta.dirname, "../../../node_modules/.cache/shoal-etcd/etcd");

/**
 * Finds etcd's program: SHOAL_TEST_ETCD (its path; `absent` for none), else `etcd` on PATH, else the one that `npm test`
 * has fetched. Undefined when there is none.
 */
export function findEtcdBinary(): string | undefined {
  const given = process.env["SHOAL_TEST_ETCD"];
  if (given === "absent") return undefined;
  if (given) return given;
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/local/bin"].filter((path) => path !== "");
  return [...folders.map((folder) => join(folder, "etcd")), fetchedEtcdPath].find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
