import { serviceSettings } from "@shoal/runtime";

/** The settings of the user service: those that every service has. */
export const declaredSettings = serviceSettings("user", 50_051);
