import { registryClosed } from "../errors.ts";
import { readInstance } from "../instance.ts";
import type { Registry } from "../registry.ts";
import type { Watchers } from "../watchers.ts";

/** A registry whose list comes from elsewhere: announcing is accepted and changes nothing. `onClose` ends what it asks with. */
export function readOnlyRegistry(watchers: Watchers, onClose: () => void): Registry {
  let closed = false;
  return {
    async register(instance) {
      if (closed) throw registryClosed();
      readInstance(instance);
    },
    async deregister() {},
    watch: (service, listener) => watchers.watch(service, listener),
    async close() {
      closed = true;
      watchers.close();
      onClose();
    },
  };
}
