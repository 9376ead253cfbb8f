import assert from "node:assert/strict";
import { test } from "node:test";
import { type DescMessage, type DescMethod, hasOption } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Level } from "@bufbuild/protobuf/wkt";
import { field as fieldRules, oneof as oneofRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import { OrderService } from "@shoal/contracts/order/v1/order_service";
import { UserService } from "@shoal/contracts/user/v1/user_service";

const methods: readonly DescMethod[] = [UserService, InventoryService, OrderService].flatMap(({ methods }) => methods);

test("every field of every request has a rule, or is a message whose fields have", () => {
  const bare: string[] = [];
  const check = (message: DescMessage, seen: readonly DescMessage[] = []) => {
    for (const field of message.fields) {
      const inner = field.message;
      const ruled = hasOption(field, fieldRules) || (field.oneof !== undefined && hasOption(field.oneof, oneofRules));
      const ours = inner?.typeName.startsWith("shoal.") === true;
      if (!ruled && !ours) bare.push(`${message.typeName}.${field.name}`);
      if (ours && inner && !seen.includes(inner)) check(inner, [...seen, message]);
    }
  };
  for (const { input } of methods) check(input);
  assert.deepEqual(bare, []);
});

test("every request and response belongs to one method", () => {
  const messages = methods.flatMap(({ input, output }) => [input.typeName, output.typeName]);
  assert.equal(new Set(messages).size, messages.length);
});

test("what only reads says so, and what may be repeated says so", () => {
  const isRead = ({ name }: DescMethod) => /^(Get|BatchGet|List|Watch)/.test(name);
  const levelOf = (method: DescMethod) => method.idempotency;
  for (const method of methods) assert.equal(levelOf(method) === Level.NO_SIDE_EFFECTS, isRead(method), method.name);
  const plain = methods.filter((method) => levelOf(method) === Level.IDEMPOTENCY_UNKNOWN).map(({ name }) => name);
  assert.deepEqual(plain.toSorted(), ["CreateProduct", "CreateUser", "UpdateProduct", "UpdateUser"]);
});
