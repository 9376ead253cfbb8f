export {
  gateway,
  readServices,
  repositoryRoot,
  type ServiceSpec,
  type Services,
  services,
  servicesOf,
} from "./services.ts";
