export { Lifecycle } from "./lifecycle.ts";
export { type ReadyMessage, runService } from "./run-service.ts";
export {
  addressSetting,
  type DatabaseSettings,
  databaseSettings,
  type ServiceSettings,
  serviceSettings,
} from "./service-settings.ts";
export { type SqlServiceDefinition, type SqlServiceParts, sqlService } from "./sql-service.ts";
export {
  type BuiltService,
  type RunningService,
  type ServiceDefinition,
  type ServiceParts,
  startService,
} from "./start-service.ts";
