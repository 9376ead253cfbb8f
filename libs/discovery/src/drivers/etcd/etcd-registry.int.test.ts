import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, type TestContext } from "node:test";
import { needsEtcd, startEtcd } from "@shoal/testkit";
import { parseAddress } from "../../address.ts";
import { announcer } from "../../announcer.contract.ts";
import { type RegistryDriver, testAnnouncing, testChanging, testWatching } from "../../registry.contract.ts";
import { createEtcdRegistry } from "./etcd-registry.ts";

/** One for all tests, each of which has keys of its own. */
const shared = needsEtcd().skip === undefined ? await startEtcd({ after }) : undefined;

const driver: RegistryDriver = {
  name: "etcd",
  options: needsEtcd(),
  carriesAll: true,
  async open(t: TestContext, instances) {
    const address = shared?.address ?? "";
    const prefix = `test/${randomBytes(6).toString("hex")}`;
    const endpoint = parseAddress(address);
    assert.ok(endpoint);
    const connect = () => {
      const registry = createEtcdRegistry({ endpoints: [endpoint], prefix });
      t.after(() => registry.close());
      return registry;
    };
    const change = announcer(connect());
    await change(instances);
    return { url: `etcd://${address}/${prefix}`, connect, change };
  },
};

testWatching(driver);
testChanging(driver);
testAnnouncing(driver);
