import { inventoryStoreContract } from "@shoal/inventory/store/inventory-store.contract";
import { systemClock } from "@shoal/kernel";
import { batched, unbatched } from "@shoal/order/store/batched-order-store";
import { orderStoreContract } from "@shoal/order/store/order-store.contract";
import type { Isolation } from "./database.ts";
import { instantLine } from "./instant-line.contract.ts";
import { createMemoryInventoryStore, InventoryDatabase } from "./memory-inventory-store.ts";
import { createMemoryOrderStore, OrderDatabase } from "./memory-order-store.ts";
import { Session } from "./session.ts";

const isolations: readonly Isolation[] = ["read committed", "repeatable read"];
for (const isolation of isolations) {
  for (const answering of [batched, unbatched])
    orderStoreContract(
      `memory, ${isolation}, ${answering.name},`,
      async () => {
        const database = new OrderDatabase(isolation);
        return answering(createMemoryOrderStore(new Session(database, instantLine), database));
      },
      {},
    );
  inventoryStoreContract(
    `memory, ${isolation},`,
    async () => {
      const database = new InventoryDatabase(isolation);
      return createMemoryInventoryStore(new Session(database, instantLine), database, systemClock);
    },
    {},
  );
}
