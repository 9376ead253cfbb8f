export type { Instance, Registry, RegistryListener } from "./registry.ts";
