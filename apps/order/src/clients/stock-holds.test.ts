import assert from "node:assert/strict";
import { test } from "node:test";
import type { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import { AppError, isAppError } from "@shoal/kernel";
import type { Client } from "@shoal/rpc";
import { createStockHolds } from "./stock-holds.ts";

/** An inventory that refuses to end any hold. */
function refusing(reason: string) {
  const refuse = async () => {
    throw new AppError({ kind: "precondition", reason, domain: "shoal.inventory", message: "no" });
  };
  const client: Partial<Client<typeof InventoryService>> = { confirmReservation: refuse, releaseReservation: refuse };
  return createStockHolds(client as Client<typeof InventoryService>);
}

test("a refusal that says how the hold has ended is an answer", async () => {
  assert.equal(await refusing("RESERVATION_EXPIRED").confirm("o1"), "expired");
  assert.equal(await refusing("RESERVATION_RELEASED").confirm("o1"), "released");
  assert.equal(await refusing("RESERVATION_CONFIRMED").release("o1"), "confirmed");
});

test("a hold that the inventory does not know cannot be sold", async () => {
  const stock = refusing("RESERVATION_NOT_FOUND");
  await assert.rejects(
    stock.confirm("o1"),
    (error: Error) => !isAppError(error) && error.message.includes("RESERVATION_NOT_FOUND"),
  );
});
