export { gateway, readServices, repositoryRoot, type ServiceSpec, type Services, services } from "./services.ts";
