export { gateway, readServices, repositoryRoot, type ServiceSpec, services } from "./services.ts";
