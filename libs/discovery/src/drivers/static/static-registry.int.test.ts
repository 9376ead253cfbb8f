import { type RegistryDriver, testWatching } from "../../registry.contract.ts";
import { createStaticRegistry } from "./static-registry.ts";

const driver: RegistryDriver = {
  name: "static",
  options: {},
  carriesAll: true,
  async open(t, instances) {
    return {
      url: "static:order=127.0.0.1:50053",
      connect() {
        const registry = createStaticRegistry(instances);
        t.after(() => registry.close());
        return registry;
      },
    };
  },
};

testWatching(driver);
