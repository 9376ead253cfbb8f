import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, globSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fetchedEtcdPath } from "@shoal/testkit/etcd-binary";

/**
 * Fetches etcd's program where that can be done without asking: on Debian and its descendants, from their own package,
 * which is unpacked and not installed, so that no service is set up and no root is needed. Answers whether it is there.
 */
export function fetchEtcd(): boolean {
  if (!existsSync("/etc/debian_version")) return false;
  console.log("No etcd on this machine: fetching the program of the package etcd-server with apt-get.");
  const folder = mkdtempSync(join(tmpdir(), "shoal-etcd-package-"));
  try {
    if (!runs("apt-get", ["-q", "download", "etcd-server"], folder)) {
      if (process.getuid?.() !== 0 || !runs("apt-get", ["-q", "update"], folder)) return false;
      if (!runs("apt-get", ["-q", "download", "etcd-server"], folder)) return false;
    }
    const [file = ""] = globSync("*.deb", { cwd: folder });
    if (!runs("dpkg-deb", ["--extract", file, "unpacked"], folder)) return false;
    mkdirSync(dirname(fetchedEtcdPath), { recursive: true });
    copyFileSync(join(folder, "unpacked/usr/bin/etcd"), fetchedEtcdPath);
    chmodSync(fetchedEtcdPath, 0o755);
    return true;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function runs(command: string, args: readonly string[], cwd: string): boolean {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: "utf8", timeout: 120_000 });
  if (status === 0) return true;
  console.error(`${command} ${args.join(" ")} failed:\n${`${stdout ?? ""}${stderr ?? ""}`.trimEnd()}`);
  return false;
}
