import type { Registry } from "@shoal/discovery";
import type { Metrics } from "@shoal/telemetry";

/**
 * The same registry, whose answers are counted: how many instances of each service that is watched it told of last, and how
 * often it could not say. Takes the registry over: closing it closes the other.
 */
export function countAnswers(registry: Registry, metrics: Metrics): Registry {
  const instances = new Map<string, number>();
  metrics.gauge(
    {
      name: "shoal.discovery.instances",
      unit: "{instance}",
      description: "Instances of a service that calls are sent to, as the registry tells of them.",
    },
    (observe) => {
      for (const [service, count] of instances) observe(count, { "shoal.discovery.service": service });
    },
  );
  const failures = metrics.counter({
    name: "shoal.discovery.failures",
    unit: "{failure}",
    description: "How often the registry could not say where a service is, each reason once.",
  });
  return {
    register: (instance) => registry.register(instance),
    deregister: (instance) => registry.deregister(instance),
    watch: (service, listener) => {
      const failed = failures.with({ "shoal.discovery.service": service });
      return registry.watch(service, {
        onInstances: (found) => {
          instances.set(service, found.length);
          listener.onInstances(found);
        },
        onError: (error) => {
          failed.add();
          listener.onError(error);
        },
      });
    },
    close: () => registry.close(),
  };
}
