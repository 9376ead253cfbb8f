import type { Variable } from "./dashboard.ts";

/** One service. */
export const service: Variable = {
  name: "service",
  label: "Service",
  of: 'label_values(up{job="shoal"}, service)',
  many: false,
  first: "order",
};

/** Any services, at first all. */
export const services: Variable = { ...service, many: true };

/** Any instances of the service, at first all. */
export const instances: Variable = {
  name: "instance",
  label: "Instance",
  of: 'label_values(up{job="shoal", service="$service"}, instance)',
  many: true,
};
