import { AppError, type Money } from "@shoal/kernel";

/** The owner of this service's reasons. */
export const domain = "shoal.inventory";

/** Something that can be ordered. */
export interface Product {
  readonly sku: string;
  readonly name: string;
  readonly description: string;
  /** The price of one piece. */
  readonly price: Money;
  /** From 1, one more with every change; stock does not move it. */
  readonly version: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

/** What may be changed of a product; what is left out stays as it is. */
export type ProductChange = Partial<Pick<Product, "name" | "description" | "price">>;

/** How errors name a product. */
export const productResource = (sku: string) => ({ type: "shoal.inventory.Product", name: sku });

/** NOT_FOUND: no product has this SKU. */
export function skuNotFound(sku: string): AppError {
  return new AppError({
    kind: "missing",
    reason: "SKU_NOT_FOUND",
    domain,
    message: `there is no product with SKU ${sku}`,
    metadata: { sku },
    resource: productResource(sku),
  });
}

/** ALREADY_EXISTS: another product has this SKU. */
export function skuTaken(sku: string): AppError {
  return new AppError({
    kind: "duplicate",
    reason: "SKU_TAKEN",
    domain,
    message: `there is a product with SKU ${sku} already`,
    resource: productResource(sku),
  });
}

/** ABORTED: the product has changed since the caller read it. */
export function productVersionStale(sku: string, version: number): AppError {
  return new AppError({
    kind: "stale",
    reason: "PRODUCT_VERSION_STALE",
    domain,
    message: `product ${sku} is no longer at version ${version}; read it again`,
    metadata: { sku, version: String(version) },
  });
}
