import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from "@shoal/contracts/grpc/health/v1/health";
import { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import { OrderService } from "@shoal/contracts/order/v1/order_service";
import { UserService } from "@shoal/contracts/user/v1/user_service";
import { openRegistry } from "@shoal/discovery";
import { AppError } from "@shoal/kernel";
import { type Client, type ClientOptions, createClient } from "@shoal/rpc";
import { DemoError } from "./demo-error.ts";
import type { DemoSettings } from "./settings.ts";

/** The running system, as its clients see it. Disposing of it closes the connections. */
export interface System extends AsyncDisposable {
  readonly users: Client<typeof UserService>;
  readonly inventory: Client<typeof InventoryService>;
  readonly orders: Client<typeof OrderService>;
}

/**
 * Connects to the system. Throws a {@link DemoError} that says what to do when a service does not answer, is not ready,
 * or is another one than expected. The caller disposes of it.
 */
export async function connect(settings: DemoSettings, signal: AbortSignal): Promise<System> {
  const registry = settings.registry === "none" ? undefined : openRegistry(settings.registry);
  const reach = (address: string): ClientOptions => ({ address, registry });
  try {
    await requireServing(reach(settings.user), UserService.typeName, signal);
    await requireServing(reach(settings.inventory), InventoryService.typeName, signal);
    await requireServing(reach(settings.order), OrderService.typeName, signal);
  } catch (error) {
    await registry?.close();
    throw error;
  }
  const users = createClient(UserService, reach(settings.user));
  const inventory = createClient(InventoryService, reach(settings.inventory));
  const orders = createClient(OrderService, reach(settings.order));
  return {
    users,
    inventory,
    orders,
    [Symbol.asyncDispose]: async () => {
      for (const client of [users, inventory, orders]) client[Symbol.dispose]();
      await registry?.close();
    },
  };
}

async function requireServing(options: ClientOptions, service: string, signal: AbortSignal): Promise<void> {
  using health = createClient(Health, options);
  const { address } = options;
  try {
    const { status } = await health.check({ service }, { signal });
    if (status !== ServingStatus.SERVING) throw new DemoError(`${service} at ${address} is not ready; try again later`);
  } catch (error) {
    if (!(error instanceof AppError) || signal.aborted) throw error;
    if (error.kind === "unavailable" || error.kind === "timeout") {
      const why = options.registry === undefined ? "" : ` (${error.message})`;
      throw new DemoError(`nothing answers at ${address}${why}; start it with npm start in another terminal`, {
        cause: error,
      });
    }
    throw new DemoError(`what answers at ${address} is not ${service}: ${error.message}`, { cause: error });
  }
}
