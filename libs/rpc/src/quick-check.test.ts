import assert from "node:assert/strict";
import { test } from "node:test";
import {
  create,
  type DescField,
  type DescMessage,
  getOption,
  hasOption,
  type Message,
  type MessageInitShape,
  ScalarType,
  toJsonString,
} from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { EchoRequestSchema, EchoService, GuardedEchoService } from "@shoal/contracts/echo/v1/echo_service";
import { Code } from "@shoal/contracts/google/rpc/code";
import { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import { OrderService } from "@shoal/contracts/order/v1/order_service";
import { defaults, MethodPolicySchema, method } from "@shoal/contracts/policy/v1/policy";
import { UserService } from "@shoal/contracts/user/v1/user_service";
import { randomFrom } from "@shoal/kernel";
import { isSurelyValid } from "./quick-check.ts";
import { validator } from "./validation.ts";

const services = [UserService, InventoryService, OrderService, EchoService, GuardedEchoService];
const schemas: readonly DescMessage[] = [
  ...services.flatMap(({ methods }) => methods.flatMap(({ input, output }) => [input, output])),
  MethodPolicySchema,
];

const id = "0190a000-0000-7000-8000-000000000001";
const texts = [
  "",
  "🐟🐟",
  "a",
  "TEA-1",
  "EUR",
  id,
  id.toUpperCase(),
  `${id}0`,
  "ada@shoal.dev",
  " ",
  "é🐟",
  "🐟".repeat(150),
];
const lengths = [1, 3, 4, 63, 64, 65, 100, 101, 128, 129, 200, 201, 255, 256, 300, 1_001];
const numbers = [0, 1, -1, 2, 3, 5, 10, 100, 101, 1_000, 1_001, 2 ** 31 - 1, -(2 ** 31)];

/** A message of this type with what is likely to be at, or just beyond, the bounds of its rules. */
function randomMessage(schema: DescMessage, random: () => number, depth = 0): Message {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const text = () => (random() < 0.7 ? pick(texts) : pick(["x", "🐟", "A"]).repeat(pick(lengths)));
  const scalar = (type: ScalarType): unknown => {
    if (type === ScalarType.STRING) return text();
    if (type === ScalarType.BYTES) return new Uint8Array(pick([0, 1, 5]));
    if (type === ScalarType.BOOL) return random() < 0.5;
    if (type === ScalarType.DOUBLE || type === ScalarType.FLOAT) return pick([0, 1, 1.5, 10, 11, -1, Number.NaN]);
    const whole = pick(numbers);
    const isLong = [ScalarType.INT64, ScalarType.UINT64, ScalarType.SINT64].includes(type);
    if (type === ScalarType.UINT32 || type === ScalarType.UINT64)
      return isLong ? BigInt(Math.abs(whole)) : Math.abs(whole);
    return isLong ? BigInt(whole) : whole;
  };
  const message = create(schema);
  const target = reflect(schema, message);
  for (const field of schema.fields) {
    if (random() < 0.25 || (depth > 3 && field.message !== undefined)) continue;
    const value = (of: DescField): unknown => {
      if (of.message !== undefined) return reflect(of.message, randomMessage(of.message, random, depth + 1));
      if (of.enum !== undefined) return pick([...of.enum.values.map(({ number }) => number), 99]);
      return scalar(of.scalar ?? ScalarType.STRING);
    };
    if (field.fieldKind === "list") {
      const list = target.get(field);
      const count = pick([0, 1, 2, 3, 101]);
      const item = value(field);
      // Now and then many that differ and are as a list of ids or SKUs has them.
      const listed = field.listKind === "scalar" && random() < 0.5;
      const differ = field.listKind === "message" && random() < 0.5;
      for (let n = 0; n < count; n += 1)
        list.add(listed ? `${id.slice(0, -3)}${100 + n}` : differ && n > 0 ? value(field) : item);
    } else if (field.fieldKind !== "map") target.set(field, value(field) as never);
  }
  return message;
}

test("what is surely valid is valid, of 300 random messages of each type", () => {
  let sure = 0;
  for (const [n, schema] of schemas.entries()) {
    const random = randomFrom(n + 1);
    for (let round = 0; round < 300; round += 1) {
      const message = randomMessage(schema, random);
      if (!isSurelyValid(schema, message)) continue;
      sure += 1;
      const { kind, violations } = validator.validate(schema, message);
      assert.equal(kind, "valid", `${schema.typeName} ${JSON.stringify(violations?.map(String))}`);
    }
  }
  assert.ok(sure > 1_000, `${sure} of them are`);
});

test("what has only common rules and keeps them is known to be valid", () => {
  const line = { sku: "TEA-1", quantity: 2 };
  const echo = create(EchoRequestSchema, { parcel: { name: "tea", lines: [line, line], inner: { number: 1n } } });
  assert.ok(isSurelyValid(EchoRequestSchema, echo));
  const broken = create(EchoRequestSchema, { parcel: { inner: { inner: { lines: [{ ...line, quantity: 0 }] } } } });
  assert.equal(isSurelyValid(EchoRequestSchema, broken), false);
  const { input } = UserService.method.getUser;
  assert.ok(isSurelyValid(input, create(input, { userId: id })));
});

test("a list of what has a key each is known to be valid, and one that has a key twice is not; a duration likewise", () => {
  const { input } = InventoryService.method.reserveStock;
  const valid = (skus: readonly string[], seconds: bigint, nanos = 0) => {
    const lines = skus.map((sku) => ({ sku, quantity: 1 }));
    return isSurelyValid(input, create(input, { reservationId: "r", lines, timeToLive: { seconds, nanos } }));
  };
  assert.ok(valid(["TEA"], 1n));
  assert.ok(valid(["TEA", "POT"], 86_400n));
  assert.equal(valid(["TEA", "POT", "TEA"], 1n), false);
  assert.equal(valid(["TEA"], 0n, 999_999_999), false);
  assert.equal(valid(["TEA"], 86_400n, 1), false);
  assert.equal(valid(["TEA"], 2n, -1), false);
});

test("all policies of the contracts are known to be valid: a service's start does not wait for protovalidate", () => {
  const policies = services.flatMap((service) => [
    ...(hasOption(service, defaults) ? [getOption(service, defaults)] : []),
    ...service.methods.flatMap((one) => (hasOption(one, method) ? [getOption(one, method)] : [])),
  ]);
  assert.ok(policies.length >= 5, `${policies.length}`);
  for (const policy of policies)
    assert.ok(isSurelyValid(MethodPolicySchema, policy), toJsonString(MethodPolicySchema, policy));
  const valid = () =>
    create(MethodPolicySchema, {
      attempts: { case: "hedging", value: { maxAttempts: 2, delay: {}, nonFatalCodes: [Code.UNAVAILABLE] } },
      breaker: { case: "noBreaker", value: true },
      rateLimits: [{ callsPerSecond: 0.5 }],
    });
  assert.ok(isSurelyValid(MethodPolicySchema, valid()));
  const broken: readonly MessageInitShape<typeof MethodPolicySchema>[] = [
    { attempts: { case: "hedging", value: { maxAttempts: 2, delay: {}, nonFatalCodes: [Code.OK] } } },
    { attempts: { case: "hedging", value: { maxAttempts: 2, delay: {}, nonFatalCodes: [14, 14] } } },
    { breaker: { case: "noBreaker", value: false } },
    { breaker: { case: "circuitBreaker", value: { failureRate: Number.NaN } } },
    { breaker: { case: "throttle", value: { multiplier: Number.NaN } } },
  ];
  for (const [at, policy] of broken.entries())
    assert.equal(isSurelyValid(MethodPolicySchema, create(MethodPolicySchema, policy)), false, `${at}`);
});
