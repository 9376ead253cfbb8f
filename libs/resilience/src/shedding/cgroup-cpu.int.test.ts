import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { temporaryDirectory } from "@shoal/testkit";
import { readCgroupCpu } from "./cgroup-cpu.ts";

/** A machine with these files: paths from the root, and what they say. */
async function machine(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const root = await temporaryDirectory(t);
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), `${text}\n`);
  }
  return root;
}

const unlimited = Number.POSITIVE_INFINITY;
const stat = (micros: number) => `usage_usec ${micros}\nuser_usec 1\nsystem_usec 2`;

const machines: readonly {
  readonly of: string;
  readonly files: Readonly<Record<string, string>>;
  readonly says: { readonly usedMs: number; readonly cpus: number } | undefined;
}[] = [
  {
    of: "version 2, with a limit",
    files: {
      "proc/self/cgroup": "0::/system.slice/shoal.service",
      "sys/fs/cgroup/system.slice/shoal.service/cpu.stat": stat(1_500_000),
      "sys/fs/cgroup/system.slice/shoal.service/cpu.max": "150000 100000",
      "sys/fs/cgroup/cpu.stat": stat(99_000_000),
    },
    says: { usedMs: 1_500, cpus: 1.5 },
  },
  {
    of: "version 2, without a limit",
    files: {
      "proc/self/cgroup": "0::/a",
      "sys/fs/cgroup/a/cpu.stat": stat(1_000),
      "sys/fs/cgroup/a/cpu.max": "max 100000",
    },
    says: { usedMs: 1, cpus: unlimited },
  },
  {
    of: "version 2, in the root group, which has no limit",
    files: { "proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.stat": stat(2_000) },
    says: { usedMs: 2, cpus: unlimited },
  },
  {
    of: "version 2, in a container that sees only its own group and is told the host's path",
    files: {
      "proc/self/cgroup": "0::/kubepods.slice/pod1/cri-containerd-abc.scope",
      "sys/fs/cgroup/cpu.stat": stat(3_000),
      "sys/fs/cgroup/cpu.max": "50000 100000",
    },
    says: { usedMs: 3, cpus: 0.5 },
  },
  {
    of: "version 2, with a path that leads out of what is mounted",
    files: {
      "proc/self/cgroup": "0::/../../other",
      "sys/fs/cgroup/cpu.stat": stat(4_000),
      "sys/fs/cgroup/cpu.max": "400000 100000",
    },
    says: { usedMs: 4, cpus: 4 },
  },
  {
    of: "version 1, with a limit",
    files: {
      "proc/self/cgroup": "5:memory:/a\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/a",
      "sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us": "250000",
      "sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us": "100000",
      "sys/fs/cgroup/cpuacct/docker/abc/cpuacct.usage": "7000000",
    },
    says: { usedMs: 7, cpus: 2.5 },
  },
  {
    of: "version 1, without a limit, with controllers of their own",
    files: {
      "proc/self/cgroup": "3:cpuset:/\n2:cpuacct:/\n1:cpu:/",
      "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
      "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
      "sys/fs/cgroup/cpuacct/cpuacct.usage": "8000000",
    },
    says: { usedMs: 8, cpus: unlimited },
  },
  {
    of: "version 1, in a container that is told the host's path",
    files: {
      "proc/self/cgroup": "4:cpuacct,cpu:/docker/abc",
      "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000",
      "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
      "sys/fs/cgroup/cpuacct/cpuacct.usage": "9000000",
    },
    says: { usedMs: 9, cpus: 1 },
  },
  {
    of: "both versions, where the old one has the CPU",
    files: {
      "proc/self/cgroup": "0::/init.scope\n4:cpu,cpuacct:/a\n",
      "sys/fs/cgroup/unified/init.scope/cpu.stat": stat(1),
      "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "300000",
      "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000",
      "sys/fs/cgroup/cpuacct/a/cpuacct.usage": "10000000",
    },
    says: { usedMs: 10, cpus: 3 },
  },
  { of: "no control groups", files: { "proc/self/stat": "1" }, says: undefined },
  { of: "a group of which nothing can be read", files: { "proc/self/cgroup": "0::/a\n4:cpu:/a" }, says: undefined },
  {
    of: "files that say nothing, or not what they should",
    files: {
      "proc/self/cgroup": "what\n0::/a\n4:cpu,cpuacct:/a",
      "sys/fs/cgroup/a/cpu.stat": "",
      "sys/fs/cgroup/a/cpu.max": "much",
      "sys/fs/cgroup/cpuacct/a/cpuacct.usage": "much",
    },
    says: undefined,
  },
  {
    of: "a limit that makes no sense",
    files: {
      "proc/self/cgroup": "4:cpu,cpuacct:/a",
      "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "300000",
      "sys/fs/cgroup/cpuacct/a/cpuacct.usage": "11000000",
    },
    says: { usedMs: 11, cpus: unlimited },
  },
];

for (const { of, files, says } of machines) {
  test(`reads ${of}`, async (t) => {
    assert.deepEqual(await readCgroupCpu(await machine(t, files)), says);
  });
}

test("what this machine says, if it does, grows with what is done", async (t) => {
  const before = await readCgroupCpu();
  if (before === undefined) {
    t.skip("no control group can be read here");
    return;
  }
  assert.ok(before.cpus > 0 && before.usedMs >= 0);
  const { user, system } = process.cpuUsage();
  const usedMs = () => (process.cpuUsage().user + process.cpuUsage().system - user - system) / 1_000;
  while (usedMs() < 100);
  const after = await readCgroupCpu();
  assert.ok(after !== undefined && after.usedMs - before.usedMs >= 50, `${before.usedMs}, then ${after?.usedMs}`);
});
