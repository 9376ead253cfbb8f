import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

// The bare programs: the server, and what its installation script calls. They bring no system service.
const packages = ["mariadb-server-core", "mariadb-client-core"];

/**
 * Installs MariaDB's server program where that can be done without asking: as root on Debian and its descendants.
 * No service is set up and nothing is started. Answers whether the program has been installed.
 */
export function installDatabaseServer(): boolean {
  if (process.getuid?.() !== 0 || !existsSync("/etc/debian_version")) return false;
  console.log(`No MySQL-protocol server on this machine: installing ${packages.join(" and ")} with apt-get.`);
  return aptGet("update") && aptGet("install", "--yes", "--no-install-recommends", ...packages);
}

function aptGet(...args: string[]): boolean {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const { status, stdout, stderr } = spawnSync("apt-get", ["-q", ...args], { env, encoding: "utf8" });
  if (status === 0) return true;
  console.error(`apt-get ${args.join(" ")} failed:\n${`${stdout ?? ""}${stderr ?? ""}`.trimEnd()}`);
  return false;
}
