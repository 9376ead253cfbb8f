import assert from "node:assert/strict";
import { test } from "node:test";
import { servicesOf } from "@shoal/services";
import { freePort, methodsOf, nameProblem } from "./plan.ts";

const manifest = (grpcPort: number, calls: string | readonly string[] = []) =>
  JSON.stringify({ shoal: { grpcPort, calls, storage: "sql" } });
const shop = [
  ["user", manifest(50_051)],
  ["gateway", manifest(50_054, "*")],
] as const;
const known = servicesOf("/shop", new Map(shop));
const nothing = () => false;

test("a service has a name of one word that nothing else has", () => {
  assert.equal(nameProblem("payment", known, nothing), undefined);
  for (const name of ["", "p", "Payment", "pay-ment", "pay_ment", "2pay", "päy", "a".repeat(21), "../x"])
    assert.match(nameProblem(name, known, nothing) ?? "", /cannot be a service's name: one word of 2 to 20/, name);
  for (const name of ["user", "gateway"])
    assert.equal(nameProblem(name, known, nothing), `there is a service ${name} already`);
  for (const name of ["echo", "test", "class", "databases", "client", "no"])
    assert.match(nameProblem(name, known, nothing) ?? "", /means something else/);
  const taken = nameProblem("kernel", known, (path) => path === "libs/kernel");
  assert.equal(taken, "there is libs/kernel already: choose another name, or remove that first");
});

test("a port is the next that neither a service nor an admin endpoint has", () => {
  assert.equal(freePort(known), 50_055);
  const others = [50_055, 50_056, 51_057, 50_059].map((port, n) => [`other${n}`, manifest(port)] as const);
  assert.equal(freePort(servicesOf("/shop", new Map([...shop, ...others]))), 50_058);
});

test("what keeps state creates and reads; what it is asked for besides is written or left", () => {
  const plain = { lists: false, deletes: false, custom: [] };
  assert.deepEqual(methodsOf("payment", "sql", undefined), { ...plain, lists: true });
  assert.deepEqual(methodsOf("payment", "sql", "DeletePayment"), { ...plain, deletes: true });
  const asked = methodsOf("category", "sql", "ListCategories, RenameCategory,GetCategory");
  assert.deepEqual(asked, { ...plain, lists: true, custom: ["RenameCategory"] });
  assert.deepEqual(methodsOf("quote", "none", undefined), plain);
  assert.deepEqual(methodsOf("quote", "none", "SendQuote"), { ...plain, custom: ["SendQuote"] });
});

test("methods that cannot be are refused", () => {
  for (const method of ["confirm", "confirmPayment", "Confirm", "Confirm-Payment", "ConfirmPayment()"])
    assert.throws(
      () => methodsOf("payment", "sql", method),
      /cannot be a method's name: a verb and a noun, such as ConfirmPayment/,
    );
  assert.throws(() => methodsOf("quote", "none", "GetQuote"), /GetQuote needs a place to keep things: --storage sql/);
  assert.throws(() => methodsOf("payment", "sql", "MakeIt,MakeIt"), /MakeIt is named twice/);
});
