import {
  type BadCall,
  badSkus,
  badVisibleAscii,
  bounded,
  type Clients,
  invalid,
  long,
  readAll,
  refused,
  send,
  skus,
} from "./bad-call.ts";
import type { World } from "./world.ts";

const price = { minorUnits: 450n, currency: "EUR" };
const badPrices = [
  ["missing", undefined, ["price"]],
  ["negative", { minorUnits: -1n, currency: "EUR" }, ["price.minor_units"]],
  ["without currency", { minorUnits: 1n }, ["price.currency"]],
  ["in lower case", { minorUnits: 1n, currency: "eur" }, ["price.currency"]],
  ["in too long a currency", { minorUnits: 1n, currency: "EURO" }, ["price.currency"]],
  ["wrong in both parts", { minorUnits: -(2n ** 63n), currency: "€" }, ["price.minor_units", "price.currency"]],
] as const;
const badNames = [
  ["missing", ""],
  ["white space only", " \u3000"],
  ["too long", "🦈".repeat(201)],
] as const;

/** Every way to call InventoryService wrongly. */
export function badInventoryCalls(world: World): readonly BadCall[] {
  return [
    ...badProductCalls(world),
    ...badStockCalls(world),
    ...badReservationCalls(world),
    ...["BatchGetProducts", "GetStock", "WatchStock"].flatMap((rpc) => badSkuLists(rpc, world)),
  ];
}

function badProductCalls({ tea, usersPageToken }: World): readonly BadCall[] {
  const create = { sku: "NEW", name: "New", description: "", price, initialQuantity: 1 };
  const update = { sku: tea.sku, version: tea.version, updateMask: { paths: ["name", "price"] }, name: "Tea", price };
  return [
    ...badSkus.flatMap(([when, sku]) => [
      invalid("CreateProduct", `SKU ${when}`, ["sku"], ({ inventory }) => inventory.createProduct({ ...create, sku })),
      invalid("GetProduct", `SKU ${when}`, ["sku"], ({ inventory }) => inventory.getProduct({ sku })),
      invalid("UpdateProduct", `SKU ${when}`, ["sku"], ({ inventory }) => inventory.updateProduct({ ...update, sku })),
    ]),
    ...badNames.flatMap(([when, name]) => [
      invalid("CreateProduct", `name ${when}`, ["name"], ({ inventory }) =>
        inventory.createProduct({ ...create, name }),
      ),
      invalid("UpdateProduct", `name ${when}`, ["name"], ({ inventory }) =>
        inventory.updateProduct({ ...update, name }),
      ),
    ]),
    ...badPrices.flatMap(([when, price, fields]) => {
      const { price: _, ...rest } = create;
      const { price: __, ...change } = update;
      const priced = price === undefined ? {} : { price };
      return [
        invalid("CreateProduct", `price ${when}`, fields, ({ inventory }) =>
          inventory.createProduct({ ...rest, ...priced }),
        ),
        invalid("UpdateProduct", `price ${when}`, fields, ({ inventory }) =>
          inventory.updateProduct({ ...change, ...priced }),
        ),
      ];
    }),
    invalid("CreateProduct", "description too long", ["description"], ({ inventory }) =>
      inventory.createProduct({ ...create, description: long(2001) }),
    ),
    ...[-1, 1_000_000_001, -2_147_483_648].map((initialQuantity) =>
      invalid("CreateProduct", `quantity ${initialQuantity}`, ["initial_quantity"], ({ inventory }) =>
        inventory.createProduct({ ...create, initialQuantity }),
      ),
    ),
    invalid("CreateProduct", "everything missing", ["sku", "name", "price"], ({ inventory }) =>
      inventory.createProduct({}),
    ),
    refused("CreateProduct", "SKU of another", "ALREADY_EXISTS", "SKU_TAKEN", ({ inventory }) =>
      inventory.createProduct({ ...create, sku: tea.sku }),
    ),

    refused("GetProduct", "unknown SKU", "NOT_FOUND", "SKU_NOT_FOUND", ({ inventory }) =>
      inventory.getProduct({ sku: "NONE" }),
    ),
    refused("GetProduct", "SKU in other case", "NOT_FOUND", "SKU_NOT_FOUND", ({ inventory }) =>
      inventory.getProduct({ sku: tea.sku.toLowerCase() }),
    ),

    ...[0, -1].map((version) =>
      invalid("UpdateProduct", `version ${version}`, ["version"], ({ inventory }) =>
        inventory.updateProduct({ ...update, version }),
      ),
    ),
    ...[[], ["sku"], ["name", "available"]].map((paths) =>
      invalid("UpdateProduct", `mask ${JSON.stringify(paths)}`, ["update_mask"], ({ inventory }) =>
        inventory.updateProduct({ ...update, updateMask: { paths } }),
      ),
    ),
    invalid("UpdateProduct", "description too long", ["description"], ({ inventory }) =>
      inventory.updateProduct({ ...update, updateMask: { paths: ["description"] }, description: long(2001) }),
    ),
    invalid("UpdateProduct", "everything missing", ["sku", "version", "update_mask"], ({ inventory }) =>
      inventory.updateProduct({}),
    ),
    refused("UpdateProduct", "unknown SKU", "NOT_FOUND", "SKU_NOT_FOUND", ({ inventory }) =>
      inventory.updateProduct({ ...update, sku: "NONE" }),
    ),
    ...[tea.version - 1, tea.version + 1, 2_147_483_647].map((version) =>
      refused("UpdateProduct", `version ${version} of ${tea.version}`, "ABORTED", "PRODUCT_VERSION_STALE", (clients) =>
        clients.inventory.updateProduct({ ...update, version }),
      ),
    ),

    ...[-1, 101].map((pageSize) =>
      invalid("ListProducts", `page size ${pageSize}`, ["page_size"], ({ inventory }) =>
        inventory.listProducts({ pageSize }),
      ),
    ),
    invalid("ListProducts", "page token too long", ["page_token"], ({ inventory }) =>
      inventory.listProducts({ pageToken: long(513) }),
    ),
    ...[
      ["garbage", "e30"],
      ["of another list", usersPageToken],
    ].map(([when, pageToken = ""]) =>
      refused(
        "ListProducts",
        `page token ${when}`,
        "INVALID_ARGUMENT",
        "PAGE_TOKEN_INVALID",
        ({ inventory }) => inventory.listProducts({ pageToken }),
        { fields: ["page_token"] },
      ),
    ),
  ];
}

function badStockCalls({ tea, last, adjusted }: World): readonly BadCall[] {
  const adjust = { adjustmentId: "new", sku: tea.sku, delta: 1, reason: "" };
  const line = { sku: "NEW", name: "New", description: "", price, quantity: 1 };
  const load = (clients: Clients, ...loadIds: readonly string[]) =>
    clients.inventory.loadStock(send(...loadIds.map((loadId) => ({ loadId, line: { ...line, sku: "-" } }))), bounded());
  const reused = (when: string, change: Partial<typeof adjust>) =>
    refused("AdjustStock", `id of an adjustment ${when}`, "ALREADY_EXISTS", "ADJUSTMENT_ID_REUSED", ({ inventory }) =>
      inventory.adjustStock({ ...adjusted, ...change }),
    );
  return [
    ...badVisibleAscii(200).map(([when, adjustmentId]) =>
      invalid("AdjustStock", `id ${when}`, ["adjustment_id"], ({ inventory }) =>
        inventory.adjustStock({ ...adjust, adjustmentId }),
      ),
    ),
    ...badSkus.map(([when, sku]) =>
      invalid("AdjustStock", `SKU ${when}`, ["sku"], ({ inventory }) => inventory.adjustStock({ ...adjust, sku })),
    ),
    ...[0, 1_000_000_001, -1_000_000_001, 2_147_483_647, -2_147_483_648].map((delta) =>
      invalid("AdjustStock", `delta ${delta}`, ["delta"], ({ inventory }) =>
        inventory.adjustStock({ ...adjust, delta }),
      ),
    ),
    invalid("AdjustStock", "reason too long", ["reason"], ({ inventory }) =>
      inventory.adjustStock({ ...adjust, reason: long(201) }),
    ),
    invalid("AdjustStock", "everything missing", ["adjustment_id", "sku", "delta"], ({ inventory }) =>
      inventory.adjustStock({}),
    ),
    refused("AdjustStock", "unknown SKU", "NOT_FOUND", "SKU_NOT_FOUND", ({ inventory }) =>
      inventory.adjustStock({ ...adjust, sku: "NONE" }),
    ),
    refused(
      "AdjustStock",
      "more taken than there is",
      "FAILED_PRECONDITION",
      "INSUFFICIENT_STOCK",
      ({ inventory }) => inventory.adjustStock({ ...adjust, sku: last.sku, delta: -2 }),
      { metadata: { sku: last.sku, requested: "2", available: "1" } },
    ),
    reused("with another delta", { delta: adjusted.delta + 1 }),
    reused("of another SKU", { sku: last.sku }),

    ...[
      ["missing", ""],
      ["malformed", "load/1"],
      ["too long", long(65)],
    ].map(([when, loadId = ""]) =>
      invalid("LoadStock", `load id ${when}`, ["load_id"], (clients) => load(clients, loadId)),
    ),
    refused(
      "LoadStock",
      "load id changed on the way",
      "INVALID_ARGUMENT",
      "LOAD_ID_CHANGED",
      (clients) => load(clients, "one", "two"),
      { fields: ["load_id"] },
    ),
  ];
}

function badReservationCalls({ tea, mug, gold, nugget, last, reservations }: World): readonly BadCall[] {
  const lines = [{ sku: tea.sku, quantity: 1 }];
  const reserve = { reservationId: "new", lines, timeToLive: { seconds: 60n } };
  const withLines = (...lines: readonly { sku: string; quantity: number }[]) => {
    return ({ inventory }: Clients) => inventory.reserveStock({ ...reserve, lines: [...lines] });
  };
  const overflow = (when: string, index: number, ...lines: readonly { sku: string; quantity: number }[]) =>
    refused("ReserveStock", when, "INVALID_ARGUMENT", "AMOUNT_OVERFLOW", withLines(...lines), {
      fields: [`lines[${index}].quantity`],
    });
  return [
    ...badVisibleAscii(128).flatMap(([when, reservationId]) => [
      invalid("ReserveStock", `id ${when}`, ["reservation_id"], ({ inventory }) =>
        inventory.reserveStock({ ...reserve, reservationId }),
      ),
      invalid("ConfirmReservation", `id ${when}`, ["reservation_id"], ({ inventory }) =>
        inventory.confirmReservation({ reservationId }),
      ),
      invalid("ReleaseReservation", `id ${when}`, ["reservation_id"], ({ inventory }) =>
        inventory.releaseReservation({ reservationId }),
      ),
      invalid("GetReservation", `id ${when}`, ["reservation_id"], ({ inventory }) =>
        inventory.getReservation({ reservationId }),
      ),
    ]),
    invalid("ReserveStock", "no lines", ["lines"], withLines()),
    ...[101, 10_000].map((count) =>
      invalid(
        "ReserveStock",
        `${count} lines`,
        ["lines"],
        withLines(...skus(count).map((sku) => ({ sku, quantity: 1 }))),
      ),
    ),
    invalid("ReserveStock", "a SKU twice", ["lines"], withLines(...lines, ...lines)),
    ...badSkus.map(([when, sku]) =>
      invalid("ReserveStock", `a SKU ${when}`, ["lines[1].sku"], withLines(...lines, { sku, quantity: 1 })),
    ),
    ...[0, -1, 1_000_001, 2_147_483_647, -2_147_483_648].map((quantity) =>
      invalid("ReserveStock", `quantity ${quantity}`, ["lines[0].quantity"], withLines({ sku: tea.sku, quantity })),
    ),
    invalid("ReserveStock", "no time to live", ["time_to_live"], ({ inventory }) =>
      inventory.reserveStock({ reservationId: "new", lines }),
    ),
    ...[{ seconds: 0n }, { seconds: 0n, nanos: 999_999_999 }, { seconds: -60n }, { seconds: 86_400n, nanos: 1 }].map(
      (timeToLive) =>
        invalid(
          "ReserveStock",
          `time to live of ${timeToLive.seconds} s and ${timeToLive.nanos ?? 0} ns`,
          ["time_to_live"],
          ({ inventory }) => inventory.reserveStock({ ...reserve, timeToLive }),
        ),
    ),
    invalid("ReserveStock", "everything missing", ["reservation_id", "lines", "time_to_live"], ({ inventory }) =>
      inventory.reserveStock({}),
    ),
    refused(
      "ReserveStock",
      "unknown SKU beside a known one",
      "NOT_FOUND",
      "SKU_NOT_FOUND",
      withLines(...lines, { sku: "NONE", quantity: 1 }),
    ),
    refused(
      "ReserveStock",
      "not enough stock of one line",
      "FAILED_PRECONDITION",
      "INSUFFICIENT_STOCK",
      withLines(...lines, { sku: last.sku, quantity: 2 }),
      { metadata: { sku: last.sku, requested: "2", available: "1" } },
    ),
    refused(
      "ReserveStock",
      "mixed currencies",
      "FAILED_PRECONDITION",
      "MIXED_CURRENCIES",
      withLines(...lines, { sku: mug.sku, quantity: 1 }),
    ),
    overflow("price × quantity beyond int64", 0, { sku: gold.sku, quantity: 2 }),
    overflow("the sum of the lines beyond int64", 1, { sku: gold.sku, quantity: 1 }, { sku: nugget.sku, quantity: 1 }),
    overflow("price × the largest quantity", 0, { sku: gold.sku, quantity: 1_000_000 }),
    ...(["held", "confirmed", "released", "expired"] as const).map((status) =>
      refused(
        "ReserveStock",
        `id of a reservation that is ${status}, with other lines`,
        "ALREADY_EXISTS",
        "RESERVATION_ID_REUSED",
        ({ inventory }) =>
          inventory.reserveStock({
            ...reserve,
            reservationId: reservations[status],
            lines: [{ sku: mug.sku, quantity: 7 }],
          }),
      ),
    ),
    invalid("BatchReserveStock", "no requests", ["requests"], ({ inventory }) =>
      inventory.batchReserveStock({ requests: [] }),
    ),
    invalid("BatchReserveStock", "101 requests", ["requests"], ({ inventory }) =>
      inventory.batchReserveStock({ requests: Array.from({ length: 101 }, () => ({})) }),
    ),
    refused("ConfirmReservation", "unknown id", "NOT_FOUND", "RESERVATION_NOT_FOUND", ({ inventory }) =>
      inventory.confirmReservation({ reservationId: "none" }),
    ),
    refused("GetReservation", "unknown id", "NOT_FOUND", "RESERVATION_NOT_FOUND", ({ inventory }) =>
      inventory.getReservation({ reservationId: "none" }),
    ),
    refused("ConfirmReservation", "released", "FAILED_PRECONDITION", "RESERVATION_RELEASED", ({ inventory }) =>
      inventory.confirmReservation({ reservationId: reservations.released }),
    ),
    refused("ConfirmReservation", "expired", "FAILED_PRECONDITION", "RESERVATION_EXPIRED", ({ inventory }) =>
      inventory.confirmReservation({ reservationId: reservations.expired }),
    ),
    refused("ReleaseReservation", "confirmed", "FAILED_PRECONDITION", "RESERVATION_CONFIRMED", ({ inventory }) =>
      inventory.releaseReservation({ reservationId: reservations.confirmed }),
    ),
  ];
}

/** The methods that take a list of SKUs have the same rules for it; watching is the one that needs all to exist. */
function badSkuLists(rpc: string, { tea }: World): readonly BadCall[] {
  const call = (skus: string[]) => {
    return ({ inventory }: Clients): Promise<unknown> => {
      if (rpc === "BatchGetProducts") return inventory.batchGetProducts({ skus });
      return rpc === "GetStock" ? inventory.getStock({ skus }) : readAll(inventory.watchStock({ skus }, bounded()));
    };
  };
  return [
    invalid(rpc, "no SKUs", ["skus"], call([])),
    ...[101, 10_000].map((count) => invalid(rpc, `${count} SKUs`, ["skus"], call(skus(count)))),
    invalid(rpc, "a SKU twice", ["skus"], call([tea.sku, tea.sku])),
    ...badSkus.map(([when, sku]) => invalid(rpc, `a SKU ${when}`, ["skus[1]"], call([tea.sku, sku]))),
    ...(rpc === "WatchStock"
      ? [refused(rpc, "an unknown SKU", "NOT_FOUND", "SKU_NOT_FOUND", call([tea.sku, "NONE"]))]
      : []),
  ];
}
