import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  type FieldDescriptorProto,
  type FileDescriptorProto,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { printProto } from "./print-proto.ts";

const name = "buf/validate/validate.proto";

test("what is printed compiles to the same messages, enums and extensions", (t) => {
  const directory = mkdtempSync(join(tmpdir(), "shoal-print-proto-"));
  t.after(() => rmSync(directory, { recursive: true }));
  mkdirSync(join(directory, dirname(name)), { recursive: true });
  writeFileSync(join(directory, name), printProto(file_buf_validate_validate.proto));
  const buf = join(import.meta.dirname, "../../../node_modules/.bin/buf");
  const build = spawnSync(buf, ["build", "--as-file-descriptor-set", "-o", "-"], { cwd: directory });
  assert.equal(build.status, 0, build.stderr.toString());
  const compiled = fromBinary(FileDescriptorSetSchema, build.stdout).file.find((file) => file.name === name);
  assert.ok(compiled);
  assert.deepEqual(summaryOf(compiled), summaryOf(file_buf_validate_validate.proto));
});

test("what it cannot print is refused by name", () => {
  const proto = { ...file_buf_validate_validate.proto, syntax: "proto3" };
  assert.throws(() => printProto(proto), /print-proto cannot write syntax proto3/);
});

/** All of a file that source without options says; the order of fields says nothing. */
function summaryOf({ messageType, enumType, extension }: FileDescriptorProto) {
  const field = ({ name, number, label, type, typeName }: FieldDescriptorProto) => ({
    name,
    number,
    label,
    type,
    typeName,
  });
  const message = (proto: DescriptorProto): unknown => ({
    name: proto.name,
    fields: proto.field
      .map((each) => ({
        ...field(each),
        oneof: Object.hasOwn(each, "oneofIndex") && proto.oneofDecl[each.oneofIndex]?.name,
      }))
      .toSorted((a, b) => a.number - b.number),
    extensionRanges: proto.extensionRange.map(({ start, end }) => [start, end]),
    reserved: [...proto.reservedName, ...proto.reservedRange.map(({ start, end }) => [start, end])],
    nested: proto.nestedType.map(message),
  });
  return {
    messages: messageType.map(message),
    enums: enumType.map(({ name, value }) => [name, ...value.map((each) => [each.name, each.number])]),
    extensions: extension.map((each) => ({ ...field(each), extendee: each.extendee })),
  };
}
