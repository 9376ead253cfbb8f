import { type SettingsOf, target } from "@shoal/config";
import { serviceSettings } from "@shoal/runtime";

/** The settings of the gateway. */
export const declaredSettings = {
  ...serviceSettings("gateway", 50_054),
  userAddress: {
    env: "SHOAL_GATEWAY_USER_ADDRESS",
    schema: target("user", "127.0.0.1:50051"),
    about: "Where the user service answers: HOST:PORT, or shoal:///user with a registry.",
  },
  inventoryAddress: {
    env: "SHOAL_GATEWAY_INVENTORY_ADDRESS",
    schema: target("inventory", "127.0.0.1:50052"),
    about: "Where the inventory service answers: HOST:PORT, or shoal:///inventory with a registry.",
  },
  orderAddress: {
    env: "SHOAL_GATEWAY_ORDER_ADDRESS",
    schema: target("order", "127.0.0.1:50053"),
    about: "Where the order service answers: HOST:PORT, or shoal:///order with a registry.",
  },
};

/** Their values. */
export type GatewaySettings = SettingsOf<typeof declaredSettings>;
