import { anyPorts, type Launched, launch } from "@shoal/launcher";

/**
 * Starts the services on these databases and on free ports, set by `env` besides this process's environment. The caller stops
 * them.
 */
export function launchServices(
  home: string,
  databases: Readonly<Record<"user" | "inventory" | "order", string>>,
  env: Readonly<Record<string, string>> = {},
): Promise<Launched> {
  return launch({
    home,
    env: {
      ...process.env,
      ...anyPorts,
      ...Object.fromEntries(
        Object.entries(databases).map(([name, url]) => [`SHOAL_${name.toUpperCase()}_DATABASE_URL`, url]),
      ),
      ...env,
    },
  });
}
