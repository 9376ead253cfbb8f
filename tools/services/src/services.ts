import { readServices, repositoryRoot } from "./read-services.ts";

/** The services of Shoal, and their gateway. */
export const { services, gateway } = readServices(repositoryRoot);
