import assert from "node:assert/strict";
import { test } from "node:test";
import { services } from "@shoal/services";
import { readArguments } from "./arguments.ts";

const read = (...args: string[]) => readArguments(args, services);

test("one instance of each service, and data is kept, unless told otherwise", () => {
  assert.deepEqual(read(), { fresh: false, faults: false, scale: new Map(), help: false });
  assert.deepEqual(read("--fresh", "--faults", "--scale", "order=3", "--scale=user=2"), {
    fresh: true,
    faults: true,
    scale: new Map([
      ["order", 3],
      ["user", 2],
    ]),
    help: false,
  });
});

test("who asks for help gets it, whatever else is wrong", () => {
  assert.equal(read("--help", "--scale", "ordr=3").help, true);
});

test("a scale that cannot be is refused with what can", () => {
  for (const text of ["order", "order=", "order=0", "order=21", "order=x", "=3", "order=-1"])
    assert.throws(() => read("--scale", text), /SERVICE=N with N from 1 to 20, such as order=3, not/);
  assert.throws(() => read("--scale", "ordr=3"), /no service ordr; there are user, inventory, order/);
  assert.throws(() => read("--scales"), /--scales/);
});
