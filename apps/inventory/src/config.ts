import { duration, onOrOff, type SettingsOf } from "@shoal/config";
import { databaseSettings, serviceSettings } from "@shoal/runtime";
import manifest from "../package.json" with { type: "json" };

/** The settings of the inventory service. */
export const declaredSettings = {
  ...serviceSettings("inventory", manifest.shoal.grpcPort),
  ...databaseSettings("inventory"),
  sweepIntervalMs: {
    env: "SHOAL_INVENTORY_SWEEP_INTERVAL_MS",
    schema: duration(1_000, 10, 3_600_000),
    about: "How long the sweeper that ends expired holds rests between two looks, in milliseconds.",
  },
  batching: {
    env: "SHOAL_INVENTORY_BATCHING",
    schema: onOrOff("on"),
    about: "on: reservations that come at the same time are decided in one transaction. off: each has its own.",
  },
};

/** Their values. */
export type InventorySettings = SettingsOf<typeof declaredSettings>;
