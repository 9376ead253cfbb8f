import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from "@shoal/contracts/grpc/health/v1/health";
import { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import { OrderService } from "@shoal/contracts/order/v1/order_service";
import { UserService } from "@shoal/contracts/user/v1/user_service";
import { AppError } from "@shoal/kernel";
import { type Client, createClient } from "@shoal/rpc";
import { DemoError } from "./demo-error.ts";
import type { Addresses } from "./settings.ts";

/** The running system, as its clients see it. Disposing of it closes the connections. */
export interface System extends Disposable {
  readonly users: Client<typeof UserService>;
  readonly inventory: Client<typeof InventoryService>;
  readonly orders: Client<typeof OrderService>;
}

/**
 * Connects to the system. Throws a {@link DemoError} that says what to do when a service does not answer, is not ready,
 * or is another one than expected. The caller disposes of it.
 */
export async function connect(addresses: Addresses, signal: AbortSignal): Promise<System> {
  await requireServing(addresses.user, UserService.typeName, signal);
  await requireServing(addresses.inventory, InventoryService.typeName, signal);
  await requireServing(addresses.order, OrderService.typeName, signal);
  const users = createClient(UserService, { address: addresses.user });
  const inventory = createClient(InventoryService, { address: addresses.inventory });
  const orders = createClient(OrderService, { address: addresses.order });
  return {
    users,
    inventory,
    orders,
    [Symbol.dispose]: () => {
      for (const client of [users, inventory, orders]) client[Symbol.dispose]();
    },
  };
}

async function requireServing(address: string, service: string, signal: AbortSignal): Promise<void> {
  using health = createClient(Health, { address });
  try {
    const { status } = await health.check({ service }, { signal });
    if (status !== ServingStatus.SERVING) throw new DemoError(`${service} at ${address} is not ready; try again later`);
  } catch (error) {
    if (!(error instanceof AppError) || signal.aborted) throw error;
    if (error.kind === "unavailable" || error.kind === "timeout")
      throw new DemoError(`nothing answers at ${address}; start it with npm start in another terminal`, {
        cause: error,
      });
    throw new DemoError(`what answers at ${address} is not ${service}: ${error.message}`, { cause: error });
  }
}
