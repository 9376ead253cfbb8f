import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { anyPorts, type Launched, launch } from "@shoal/launcher";

/** The services that an order takes. */
export const serviceNames = ["user", "inventory", "order"] as const;

/** Services that run, and where the orders and the stock are kept. */
export interface StartedServices {
  readonly launched: Launched;
  readonly databases: { readonly order: string; readonly inventory: string };
}

/**
 * Starts the user, inventory and order services, each a process of its own, at ports of the system's choice, with `env`
 * besides this process's environment. On embedded databases in a new folder, unless `env` names others. All ends, and the
 * folder goes, with `stack`.
 */
export async function startServices(
  stack: AsyncDisposableStack,
  env: Readonly<Record<string, string>>,
): Promise<StartedServices> {
  const home = await mkdtemp(join(tmpdir(), "shoal-bench-"));
  stack.defer(() => rm(home, { recursive: true, force: true }));
  const embedded = Object.fromEntries(
    serviceNames.map((name) => [`SHOAL_${name.toUpperCase()}_DATABASE_URL`, `sqlite:${join(home, `${name}.db`)}`]),
  );
  const databases = { ...embedded, ...env };
  const launched = await launch({ home, env: { ...process.env, ...anyPorts, ...databases } });
  stack.defer(() => launched.stop());
  const urlOf = (name: string) => databases[`SHOAL_${name}_DATABASE_URL`] ?? "";
  return { launched, databases: { order: urlOf("ORDER"), inventory: urlOf("INVENTORY") } };
}
