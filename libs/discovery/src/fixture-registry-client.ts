// A process of its own, for tests: `node fixture-registry-client.ts visit URL` announces, watches, closes and must end by
// itself then; `... announce URL ADDRESS TTL_MS` announces an instance of `order` until it is killed, and sends "announced".
import { bareInstance } from "./instance.ts";
import { openRegistry } from "./open-registry.ts";

const [, , what, url = "", address = "127.0.0.1:9", ttlMs = "10000"] = process.argv;
const registry = openRegistry(url, { ttlMs: Number(ttlMs) });
await registry.register(bareInstance("order", address));
// The channel to the parent is not what is to keep the process.
process.channel?.unref();
if (what === "announce") {
  setInterval(() => {}, 60_000);
  process.send?.("announced");
} else {
  const told = Promise.withResolvers<void>();
  registry.watch("order", { onInstances: () => told.resolve(), onError: told.reject });
  await told.promise;
  await registry.close();
}
