import { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import { OrderService } from "@shoal/contracts/order/v1/order_service";
import { UserService } from "@shoal/contracts/user/v1/user_service";
import { anyPorts, type Launched, launch } from "@shoal/launcher";
import { type Client, createClient } from "@shoal/rpc";
import { gateway, services } from "@shoal/services";

/** All of Shoal, with a fault proxy before every instance, and clients that call through the gateway. */
export interface System extends AsyncDisposable {
  readonly launched: Launched;
  readonly users: Client<typeof UserService>;
  readonly inventory: Client<typeof InventoryService>;
  readonly orders: Client<typeof OrderService>;
  /** What befalls calls of an instance from now on, in the fault proxy's own words; an empty list: nothing. */
  setFaults(instance: string, rules: readonly object[]): Promise<void>;
}

/** How long a placed order's stock is held: so short that some holds run out while one looks on. */
const holdMs = 3_000;

/** Of `ListUsers` one call a second is too many, so that something is over its rate limit. */
const policies = {
  "/shoal.user.v1.UserService/ListUsers": { rateLimits: [{ callsPerSecond: 0.5, burst: 1 }] },
};

/**
 * Starts it in the folder `home`, on free ports, with so many instances of a service as `scale` says. No call of the clients is
 * repeated by them. Disposing of it stops it all.
 */
export async function startSystem(home: string, scale: ReadonlyMap<string, number> = new Map()): Promise<System> {
  const launched = await launch({
    services: [...services, gateway],
    home,
    scale,
    faults: true,
    env: {
      ...process.env,
      ...anyPorts,
      SHOAL_GATEWAY_GRPC_PORT: "0",
      SHOAL_GATEWAY_ADMIN_PORT: "0",
      SHOAL_ORDER_HOLD_MS: String(holdMs),
      SHOAL_USER_POLICIES: JSON.stringify(policies),
    },
  });
  const address = launched.service("gateway").grpcAddress;
  const users = createClient(UserService, { address });
  const inventory = createClient(InventoryService, { address });
  const orders = createClient(OrderService, { address });
  return {
    launched,
    users,
    inventory,
    orders,
    setFaults: async (instance, rules) => {
      const url = `http://${launched.faultControl(instance)}/faults`;
      const { ok, status } = await fetch(url, { method: "PUT", body: JSON.stringify(rules) });
      if (!ok) throw new Error(`the fault proxy of ${instance} answered ${status}`);
    },
    [Symbol.asyncDispose]: async () => {
      for (const client of [users, inventory, orders]) client[Symbol.dispose]();
      await launched.stop();
    },
  };
}
