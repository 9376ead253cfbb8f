import { duration, integer, onOrOff, type SettingsOf } from "@shoal/config";
import { addressSetting, databaseSettings, serviceSettings } from "@shoal/runtime";
import manifest from "../package.json" with { type: "json" };

/** The settings of the order service. */
export const declaredSettings = {
  ...serviceSettings("order", manifest.shoal.grpcPort),
  ...databaseSettings("order"),
  userAddress: addressSetting("order", "user"),
  inventoryAddress: addressSetting("order", "inventory"),
  holdMs: {
    env: "SHOAL_ORDER_HOLD_MS",
    schema: duration(900_000, 1_000, 86_400_000),
    about: "How long a placed order's stock is held, in milliseconds.",
  },
  settleIntervalMs: {
    env: "SHOAL_ORDER_SETTLE_INTERVAL_MS",
    schema: duration(1_000, 10, 3_600_000),
    about: "How long the job that settles expired and half-changed orders rests between two looks, in milliseconds.",
  },
  streamConcurrency: {
    env: "SHOAL_ORDER_STREAM_CONCURRENCY",
    schema: integer(32, 1, 1_000),
    about: "How many orders of one PlaceOrders stream are worked on at once.",
  },
  batching: {
    env: "SHOAL_ORDER_BATCHING",
    schema: onOrOff("on"),
    about: "on: orders that come at the same time share calls and transactions. off: each has its own.",
  },
  userCacheMs: {
    env: "SHOAL_ORDER_USER_CACHE_MS",
    schema: integer(1_000, 0, 60_000),
    about:
      "So long at most a deactivated user may still order, in milliseconds, since active ones are remembered; 0: none are.",
  },
};

/** Their values. */
export type OrderSettings = SettingsOf<typeof declaredSettings>;
