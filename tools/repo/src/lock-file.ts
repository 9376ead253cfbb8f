/** The parts of package-lock.json that matter here. */
export interface LockFile {
  readonly packages: Readonly<Record<string, LockEntry>>;
}

/** A package in the lock file. */
export interface LockEntry {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/**
 * Finds the optional packages that the lock file leaves out, with the entries they need. npm leaves out a platform's
 * package when the registry it asked does not carry it; `npm ci` then refuses the lock file everywhere. The entries
 * have no integrity: npm takes it from the registry on that platform. Throws for a package that names no platform.
 */
export function missingEntries({ packages }: LockFile): Record<string, LockEntry> {
  const missing: Record<string, LockEntry> = {};
  for (const [path, entry] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (isInstalledFor(path, name, packages)) continue;
      const { os, cpu, libc } = platform(name);
      // In the order in which npm writes them.
      missing[`node_modules/${name}`] = {
        version,
        cpu,
        ...(entry.dev === true ? { dev: true } : {}),
        ...(libc === undefined ? {} : { libc }),
        optional: true,
        os,
      };
    }
  }
  return missing;
}

/** Looks the package up as Node does: beside the one that needs it, then in each folder above. */
function isInstalledFor(path: string, name: string, packages: LockFile["packages"]): boolean {
  for (let at = path; ; at = at.slice(0, Math.max(0, at.lastIndexOf("/node_modules/")))) {
    if (`${at === "" ? "" : `${at}/`}node_modules/${name}` in packages) return true;
    if (at === "") return false;
  }
}

interface Platform {
  readonly os: readonly string[];
  readonly cpu: readonly string[];
  readonly libc: readonly string[] | undefined;
}

const systems = ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32"];
const processors: readonly (readonly [part: RegExp, cpu: string])[] = [
  [/^(arm64|aarch64)$/, "arm64"],
  [/^arm(v\d+)?$/, "arm"],
  [/^(x64|ia32|loong64|mips64el|ppc64|riscv64|s390x)$/, "$1"],
];

/** Reads the platform out of a name such as `@biomejs/cli-linux-x64-musl`. */
function platform(name: string): Platform {
  const parts = name.split("-");
  const os = parts.filter((part) => systems.includes(part));
  const cpu = parts.flatMap((part) =>
    processors.filter(([known]) => known.test(part)).map(([known, to]) => part.replace(known, to)),
  );
  if (os.length !== 1 || cpu.length !== 1)
    throw new Error(`${name} is not in package-lock.json; its name says no platform`);
  const libc = parts.some((part) => part.startsWith("musl")) ? ["musl"] : parts.includes("gnu") ? ["glibc"] : undefined;
  return { os, cpu, libc };
}
