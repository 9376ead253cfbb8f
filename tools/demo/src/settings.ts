import { address, type SettingsOf } from "@shoal/config";

/** The settings of the demo: where the system answers. */
export const declaredSettings = {
  user: {
    env: "SHOAL_DEMO_USER_ADDRESS",
    schema: address("127.0.0.1:50051"),
    about: "Where the user service answers, HOST:PORT.",
  },
  inventory: {
    env: "SHOAL_DEMO_INVENTORY_ADDRESS",
    schema: address("127.0.0.1:50052"),
    about: "Where the inventory service answers, HOST:PORT.",
  },
  order: {
    env: "SHOAL_DEMO_ORDER_ADDRESS",
    schema: address("127.0.0.1:50053"),
    about: "Where the order service answers, HOST:PORT.",
  },
};

/** Their values. */
export type Addresses = SettingsOf<typeof declaredSettings>;
