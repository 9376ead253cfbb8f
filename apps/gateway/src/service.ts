import type { DescService } from "@bufbuild/protobuf";
import { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import { OrderService } from "@shoal/contracts/order/v1/order_service";
import { UserService } from "@shoal/contracts/user/v1/user_service";
import { createClient } from "@shoal/rpc";
import type { ServiceDefinition } from "@shoal/runtime";
import type { GatewaySettings } from "./config.ts";
import { forward } from "./forward.ts";

/** The gateway: all services behind one address, each call on to an instance of the service that it is for. */
export const gatewayService: ServiceDefinition<GatewaySettings> = {
  name: "gateway",
  build: async ({ settings, lifecycle, clientOptions }) => {
    const to = <S extends DescService>(service: S, address: string) => {
      const client = createClient(service, { ...clientOptions, address });
      lifecycle.onStop(`client of ${service.typeName}`, () => client[Symbol.dispose]());
      return forward(service, client);
    };
    return {
      services: [
        to(UserService, settings.userAddress),
        to(InventoryService, settings.inventoryAddress),
        to(OrderService, settings.orderAddress),
      ],
    };
  },
};
