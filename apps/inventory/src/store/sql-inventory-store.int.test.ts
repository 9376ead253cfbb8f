import { storageEngines } from "@shoal/testkit";
import { inventoryStoreContract } from "./inventory-store.contract.ts";
import { openTestStore } from "./open-test-store.contract.ts";

for (const engine of storageEngines)
  inventoryStoreContract(engine.name, (t) => openTestStore(t, engine), engine.options);
