import { instanceKey } from "./instance.ts";
import type { Instance, Registry } from "./registry.ts";

/** Announces through a registry, so that a wanted list is all that is announced. */
export function announcer(registry: Registry): (wanted: readonly Instance[]) => Promise<void> {
  const announced = new Map<string, Instance>();
  return async (wanted) => {
    const keys = new Set(wanted.map(instanceKey));
    for (const [key, instance] of announced) {
      if (keys.has(key)) continue;
      announced.delete(key);
      await registry.deregister(instance);
    }
    for (const instance of wanted) {
      announced.set(instanceKey(instance), instance);
      await registry.register(instance);
    }
  };
}
