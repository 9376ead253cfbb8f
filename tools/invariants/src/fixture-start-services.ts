import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Launched } from "@shoal/launcher";
import { launchServices } from "./launch-services.ts";

/** What makes empty databases that live as long as the test, and answers their URLs. */
export interface DatabaseMaker {
  createDatabase(t: TestContext): Promise<string>;
}

/** The services on new databases, set by `env` besides; what is over is ended soon. They stop with the test. */
export async function startServices(
  t: TestContext,
  maker: DatabaseMaker,
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly launched: Launched; readonly order: string; readonly inventory: string }> {
  const home = await mkdtemp(join(tmpdir(), "shoal-test-"));
  const [user, inventory, order] = await Promise.all([
    maker.createDatabase(t),
    maker.createDatabase(t),
    maker.createDatabase(t),
  ]);
  const soon = { SHOAL_ORDER_SETTLE_INTERVAL_MS: "20", SHOAL_INVENTORY_SWEEP_INTERVAL_MS: "20" };
  const launched = await launchServices(home, { user, inventory, order }, { ...soon, ...env });
  t.after(async () => {
    await launched.stop();
    await rm(home, { recursive: true, force: true, maxRetries: 3 });
  });
  return { launched, order, inventory };
}
