import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * Finds the program of a MySQL-protocol server on this machine: `mariadbd` or `mysqld`, on PATH or where Linux
 * systems keep servers. Undefined when there is none.
 */
export function findDatabaseServerBinary(): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin", "/usr/libexec"];
  for (const folder of folders.filter((path) => path !== "")) {
    for (const name of ["mariadbd", "mysqld"]) {
      const path = join(folder, name);
      if (isExecutable(path)) return path;
    }
  }
  return undefined;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
