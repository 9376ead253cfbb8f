import { storageEngines } from "@shoal/testkit";
import { openTestStore } from "./open-test-store.contract.ts";
import { orderStoreContract } from "./order-store.contract.ts";

for (const engine of storageEngines) orderStoreContract(engine.name, (t) => openTestStore(t, engine), engine.options);
