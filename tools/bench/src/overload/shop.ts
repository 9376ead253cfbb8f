import { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import { UserService } from "@shoal/contracts/user/v1/user_service";
import { createClient } from "@shoal/rpc";
import { createDatabases, startDurableServer } from "../services/databases.ts";
import { type StartedServices, startServices } from "../services/start-services.ts";
import type { Shop } from "./overload-client-process.ts";

const products = 200;
const piecesEach = 1_000_000_000;

/** A shop, and where its orders and its stock are kept. */
export interface StartedShop extends Pick<StartedServices, "databases"> {
  readonly shop: Shop;
}

/**
 * Starts the user, inventory and order services, each a process of its own, on new databases of the server that
 * SHOAL_TEST_MYSQL_URL names or of a private one, and fills them. Every commit of a private one is on the disk before it
 * counts. All ends, and the databases go, with `stack`.
 */
export async function startShop(
  stack: AsyncDisposableStack,
  env: Readonly<Record<string, string>>,
): Promise<StartedShop> {
  const instead = "set SHOAL_TEST_MYSQL_URL to a MySQL-protocol server";
  const url = process.env["SHOAL_TEST_MYSQL_URL"] ?? (await startDurableServer(stack, instead));
  const databases = await createDatabases(stack, url, "shoal_overload");
  const { launched, databases: kept } = await startServices(stack, { ...databases, ...env });
  const address = (service: string) => ({ address: launched.service(service).grpcAddress });
  using users = createClient(UserService, address("user"));
  using inventory = createClient(InventoryService, address("inventory"));
  const { user } = await users.createUser({ email: "buyer@example.com", displayName: "Buyer" });
  const skus = Array.from({ length: products }, (_, n) => `SKU-${n}`);
  const price = { minorUnits: 100n, currency: "EUR" };
  for (const sku of skus) await inventory.createProduct({ sku, name: sku, price, initialQuantity: piecesEach });
  return { shop: { ...address("order"), userId: user?.id ?? "", skus }, databases: kept };
}
