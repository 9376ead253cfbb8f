import type { Setting, SettingsOf } from "@shoal/config";
import { services } from "@shoal/contracts/services";
import { addressSetting, serviceSettings } from "@shoal/runtime";
import manifest from "../package.json" with { type: "json" };

/** The name of the setting that says where a service answers. */
type AddressName = `address of ${string}`;

/** The settings of the gateway: an address for each service that has a contract. */
export const declaredSettings: ReturnType<typeof serviceSettings> & Record<AddressName, Setting<string>> = {
  ...serviceSettings("gateway", manifest.shoal.grpcPort),
  ...Object.fromEntries(Object.keys(services).map((name) => [addressOf(name), addressSetting("gateway", name)])),
};

/** Their values. */
export type GatewaySettings = SettingsOf<typeof declaredSettings>;

/** What the address of a service is called among the settings. */
export function addressOf(service: string): AddressName {
  return `address of ${service}`;
}
