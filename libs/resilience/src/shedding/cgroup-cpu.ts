import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** How much CPU time the processes of a control group have had, and may have. */
export interface CgroupCpu {
  /** In milliseconds since the group was made. */
  readonly usedMs: number;
  /** How many CPUs' worth it may use; `Infinity` for any. */
  readonly cpus: number;
}

/**
 * Reads what Linux says of this process's control group (version 2, or version 1 with its `cpu` and `cpuacct` controllers);
 * `undefined` where there is none to be read. `root` is where the file systems are mounted, `/` by default.
 */
export async function readCgroupCpu(root = "/"): Promise<CgroupCpu | undefined> {
  const groups = await textOf(join(root, "proc/self/cgroup"));
  if (groups === undefined) return undefined;
  for (const line of groups.split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    const read = controllers === "" ? readV2 : controllers.split(",").includes("cpu") ? readV1 : undefined;
    // In a container the path is that of the host, and the group is what is mounted.
    const found = (await read?.(root, path)) ?? (await read?.(root, "/"));
    if (found !== undefined) return found;
  }
  return undefined;
}

async function readV2(root: string, path: string): Promise<CgroupCpu | undefined> {
  const folder = join(root, "sys/fs/cgroup", path);
  const [usage, limit] = await Promise.all([textOf(join(folder, "cpu.stat")), textOf(join(folder, "cpu.max"))]);
  const usedMicros = numberIn(usage, /^usage_usec (\d+)/m);
  if (usedMicros === undefined) return undefined;
  // The root group has no limit of its own.
  const [, quota, period] = /^(\d+) (\d+)/.exec(limit ?? "") ?? [];
  const cpus = quota === undefined ? Number.POSITIVE_INFINITY : Number(quota) / Number(period);
  return { usedMs: usedMicros / 1_000, cpus };
}

async function readV1(root: string, path: string): Promise<CgroupCpu | undefined> {
  const folder = join(root, "sys/fs/cgroup/cpu", path);
  const [quota, period, used] = await Promise.all([
    textOf(join(folder, "cpu.cfs_quota_us")),
    textOf(join(folder, "cpu.cfs_period_us")),
    textOf(join(root, "sys/fs/cgroup/cpuacct", path, "cpuacct.usage")),
  ]);
  const usedNanos = numberIn(used, /^(\d+)/);
  if (usedNanos === undefined) return undefined;
  // A quota of -1 is none.
  const limitMicros = numberIn(quota, /^(\d+)/);
  const periodMicros = numberIn(period, /^(\d+)/);
  const cpus = limitMicros && periodMicros ? limitMicros / periodMicros : Number.POSITIVE_INFINITY;
  return { usedMs: usedNanos / 1e6, cpus };
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return undefined;
  }
}

function numberIn(text: string | undefined, pattern: RegExp): number | undefined {
  const [, digits] = pattern.exec(text ?? "") ?? [];
  return digits === undefined ? undefined : Number(digits);
}
