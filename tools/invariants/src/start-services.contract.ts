import type { TestContext } from "node:test";
import { type Launched, launch } from "@shoal/launcher";
import { type StorageEngine, temporaryDirectory } from "@shoal/testkit";

/** The services on new databases of an engine, set by `env` besides; holds end soon after their time. They stop with the test. */
export async function startServices(
  t: TestContext,
  engine: StorageEngine,
  env: Readonly<Record<string, string>>,
): Promise<{ readonly launched: Launched; readonly order: string; readonly inventory: string }> {
  const [user, inventory, order] = await Promise.all([
    engine.createDatabase(t),
    engine.createDatabase(t),
    engine.createDatabase(t),
  ]);
  const ports = ["USER", "INVENTORY", "ORDER"].flatMap((name) => [
    `SHOAL_${name}_GRPC_PORT`,
    `SHOAL_${name}_ADMIN_PORT`,
  ]);
  const launched = await launch({
    home: await temporaryDirectory(t),
    env: {
      ...process.env,
      ...Object.fromEntries([...ports, "SHOAL_REGISTRY_PORT"].map((name) => [name, "0"])),
      SHOAL_USER_DATABASE_URL: user,
      SHOAL_INVENTORY_DATABASE_URL: inventory,
      SHOAL_ORDER_DATABASE_URL: order,
      SHOAL_ORDER_SETTLE_INTERVAL_MS: "20",
      SHOAL_INVENTORY_SWEEP_INTERVAL_MS: "20",
      ...env,
    },
  });
  t.after(() => launched.stop());
  return { launched, order, inventory };
}
