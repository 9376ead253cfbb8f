import { services } from "@shoal/contracts/services";
import { createClient } from "@shoal/rpc";
import type { ServiceDefinition } from "@shoal/runtime";
import { addressOf, type GatewaySettings } from "./config.ts";
import { forward } from "./forward.ts";

/** The gateway: all services behind one address, each call on to an instance of the service that it is for. */
export const gatewayService: ServiceDefinition<GatewaySettings> = {
  name: "gateway",
  build: async ({ settings, lifecycle, clientOptions }) => ({
    services: Object.entries(services).map(([name, contract]) => {
      const client = createClient(contract, {
        ...clientOptions,
        address: settings[addressOf(name)] ?? `shoal:///${name}`,
      });
      lifecycle.onStop(`${name} client`, () => client[Symbol.dispose]());
      return forward(contract, client);
    }),
  }),
};
