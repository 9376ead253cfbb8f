import { CsvError, type Info, parse } from "csv-parse/sync";
import { DemoError } from "./demo-error.ts";

/** One product of the catalogue, and the pieces that each run adds to its stock. */
export interface Product {
  readonly sku: string;
  readonly name: string;
  readonly description: string;
  /** Of one piece, in euro cents. */
  readonly priceCents: bigint;
  readonly quantity: number;
}

/** The one currency of the catalogue, so that any products may stand in one order. */
export const currency = "EUR";

const header = ["sku", "name", "description", "price", "currency", "quantity"];

/** Bad lines that an error lists. */
const maxListed = 20;

/**
 * Reads a catalogue: CSV (RFC 4180, UTF-8) with the header `sku,name,description,price,currency,quantity`, prices such
 * as `12.50` in EUR. All of it or nothing: throws one {@link DemoError} that says what is wrong on which line of
 * `file`, the first 20 such lines.
 */
export function parseCatalogue(csv: string, file: string): readonly Product[] {
  const [first, ...records] = parseRecords(csv, file);
  if (first?.fields.join() !== header.join()) throw new DemoError(`${file}:1: the header must be ${header.join()}`);
  const products = new Map<string, Product>();
  const problems: string[] = [];
  for (const { line, fields } of records) {
    const product = parseProduct(fields);
    if (typeof product === "string") problems.push(`${file}:${line}: ${product}`);
    else if (products.has(product.sku)) problems.push(`${file}:${line}: sku ${product.sku} stands on an earlier line`);
    else products.set(product.sku, product);
  }
  if (problems.length > maxListed) problems.splice(maxListed, Number.POSITIVE_INFINITY, "and more");
  if (problems.length > 0) throw new DemoError(problems.join("\n"));
  if (products.size === 0) throw new DemoError(`${file}: there is no product in it`);
  return [...products.values()];
}

interface CsvRecord {
  /** Where it ends, from 1. */
  readonly line: number;
  readonly fields: readonly string[];
}

function parseRecords(csv: string, file: string): readonly CsvRecord[] {
  try {
    const options = { bom: true, info: true, relax_column_count: true, skip_empty_lines: true };
    // What `info` makes of the result is not in the library's types.
    const found = parse(csv, options) as unknown as readonly { info: Info; record: readonly string[] }[];
    return found.map(({ info, record }) => ({ line: info.lines, fields: record }));
  } catch (error) {
    if (error instanceof CsvError) throw new DemoError(`${file}: ${error.message}`, { cause: error });
    throw error;
  }
}

/** The product, or what is wrong with it. */
function parseProduct(fields: readonly string[]): Product | string {
  if (fields.length !== header.length) return `expected ${header.length} fields, found ${fields.length}`;
  const [sku = "", name = "", description = "", price = "", money = "", quantity = ""] = fields;
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(sku))
    return `sku "${sku}" must be 1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or digit`;
  if (name.trim() === "" || name.length > 200) return "name must be 1 to 200 characters";
  if (description.length > 2_000) return "description must be at most 2,000 characters";
  if (!/^\d{1,12}\.\d{2}$/.test(price)) return `price "${price}" must be euros and cents, such as 12.50`;
  if (money !== currency) return `currency "${money}" must be ${currency}`;
  if (!/^\d{1,9}$/.test(quantity)) return `quantity "${quantity}" must be a whole number from 0 to 999999999`;
  return { sku, name, description, priceCents: BigInt(price.replace(".", "")), quantity: Number(quantity) };
}
