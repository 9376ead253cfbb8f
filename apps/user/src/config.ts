import type { SettingsOf } from "@shoal/config";
import { databaseSetting, serviceSettings } from "@shoal/runtime";

/** The settings of the user service. */
export const declaredSettings = { ...serviceSettings("user", 50_051), ...databaseSetting("user") };

/** Their values. */
export type UserSettings = SettingsOf<typeof declaredSettings>;
