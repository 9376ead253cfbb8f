export { readServices, repositoryRoot, type ServiceSpec, type Services, servicesOf } from "./read-services.ts";
export { gateway, services } from "./services.ts";
