import { readInstance } from "../../instance.ts";
import type { Instance, Registry } from "../../registry.ts";
import { Watchers } from "../../watchers.ts";
import { readOnlyRegistry } from "../read-only-registry.ts";

/**
 * A registry that knows the given instances, and never others: announcing is accepted and changes nothing.
 * Throws when one of them is not a valid instance.
 */
export function createStaticRegistry(instances: readonly Instance[]): Registry {
  const known = instances.map(readInstance);
  const watchers = new Watchers((service, listener) => {
    listener.onInstances(known.filter((instance) => instance.service === service));
    return () => {};
  });
  return readOnlyRegistry(watchers, () => {});
}
