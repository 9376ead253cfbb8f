import { storageEngines } from "@shoal/testkit";
import { openTestStore } from "./open-test-store.contract.ts";
import { orderStoreContract } from "./order-store.contract.ts";

for (const engine of storageEngines)
  for (const batching of [true, false])
    orderStoreContract(
      `${engine.name}${batching ? ", batched," : ""}`,
      async (t) => (await openTestStore(t, engine, { batching })).store,
      engine.options,
    );
