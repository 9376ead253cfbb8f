import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseCatalogue } from "./catalogue.ts";
import { DemoError } from "./demo-error.ts";

const header = "sku,name,description,price,currency,quantity";

test("reads products with quoted text, prices in cents, and no description", () => {
  const products = parseCatalogue(`\uFEFF${header}\r\nA-1,"Print ""Möwe"", large",,12.50,EUR,3\r\n`, "c.csv");
  assert.deepEqual(products, [
    { sku: "A-1", name: 'Print "Möwe", large', description: "", priceCents: 1250n, quantity: 3 },
  ]);
});

test("says what is wrong on which line, all of it at once", () => {
  const lines = [
    header,
    "-A,n,d,1.00,EUR,1",
    "A,n,d,1.5,EUR,1",
    "B,n,d,1.00,USD,1",
    "C,n",
    "D,n,d,1.00,EUR,1.5",
    "E, ,d,1.00,EUR,1",
  ];
  assert.throws(() => parseCatalogue(lines.join("\n"), "c.csv"), {
    name: "DemoError",
    message: [
      'c.csv:2: sku "-A" must be 1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or digit',
      'c.csv:3: price "1.5" must be euros and cents, such as 12.50',
      'c.csv:4: currency "USD" must be EUR',
      "c.csv:5: expected 6 fields, found 2",
      'c.csv:6: quantity "1.5" must be a whole number from 0 to 999999999',
      "c.csv:7: name must be 1 to 200 characters",
    ].join("\n"),
  });
});

test("refuses a second line of a product, another header, broken quotes, and no product at all", () => {
  const refused = (csv: string, message: RegExp) =>
    assert.throws(
      () => parseCatalogue(csv, "c.csv"),
      (error: unknown) => error instanceof DemoError && message.test(error.message),
    );
  refused(`${header}\nA,n,d,1.00,EUR,1\nA,n,d,1.00,EUR,1`, /^c\.csv:3: sku A stands on an earlier line$/);
  refused("sku,price\nA,1.00", /^c\.csv:1: the header must be sku,name/);
  refused(`${header}\nA,"n,d,1.00,EUR,1`, /^c\.csv: Quote Not Closed.* line 2/);
  refused(header, /no product/);
  refused("", /header must be/);
});

test("the catalogue of the demo can be read", () => {
  const products = parseCatalogue(readFileSync(join(import.meta.dirname, "../catalogue.csv"), "utf8"), "catalogue.csv");
  assert.equal(products.length, 300);
});
