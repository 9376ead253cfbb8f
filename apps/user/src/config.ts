import type { SettingsOf } from "@shoal/config";
import { databaseSettings, serviceSettings } from "@shoal/runtime";
import manifest from "../package.json" with { type: "json" };

/** The settings of the user service. */
export const declaredSettings = { ...serviceSettings("user", manifest.shoal.grpcPort), ...databaseSettings("user") };

/** Their values. */
export type UserSettings = SettingsOf<typeof declaredSettings>;
