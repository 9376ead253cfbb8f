export { databaseUrlOf, type Launched, type LaunchOptions, launch } from "./launch.ts";
export { LaunchError } from "./launch-error.ts";
export type { LogLine } from "./log-line.ts";
export { anyPorts } from "./service-environment.ts";
export type { ServiceEnd } from "./service-process.ts";
export type { ServiceAddress } from "./stack.ts";
