import type { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import { cutPage, decodePageToken, type ServiceHandlers } from "@shoal/rpc";
import type { Catalogue } from "../domain/catalogue.ts";
import { domain } from "../domain/product.ts";
import { moneyFromMessage, productToMessage } from "./messages.ts";

const defaultPageSize = 50;
const listScope = ["products"];

type ProductMethods = "createProduct" | "getProduct" | "batchGetProducts" | "updateProduct" | "listProducts";

/** The methods about products. */
export function productHandlers(catalogue: Catalogue): Pick<ServiceHandlers<typeof InventoryService>, ProductMethods> {
  return {
    createProduct: async ({ sku, name, description, price, initialQuantity }) => {
      const input = { sku, name, description, price: moneyFromMessage(price) };
      return { product: productToMessage(await catalogue.create(input, initialQuantity)) };
    },

    getProduct: async ({ sku }) => ({ product: productToMessage(await catalogue.get(sku)) }),

    batchGetProducts: async ({ skus }) => {
      const { products, missing } = await catalogue.batchGet(skus);
      return { products: products.map(productToMessage), missingSkus: missing };
    },

    updateProduct: async ({ sku, version, updateMask, name, description, price }) => {
      const named = new Set(updateMask?.paths);
      const change = {
        ...(named.has("name") && { name }),
        ...(named.has("description") && { description }),
        ...(named.has("price") && { price: moneyFromMessage(price) }),
      };
      return { product: productToMessage(await catalogue.update(sku, version, change)) };
    },

    listProducts: async ({ pageSize, pageToken }) => {
      const limit = pageSize || defaultPageSize;
      const [after] = decodePageToken(pageToken, listScope, ["string"], domain) ?? [""];
      const found = await catalogue.list(String(after), limit + 1);
      const { page, nextPageToken } = cutPage(found, limit, listScope, ({ sku }) => [sku]);
      return { products: page.map(productToMessage), nextPageToken };
    },
  };
}
