import {
  type DescriptorProto,
  type EnumDescriptorProto,
  type FieldDescriptorProto,
  type FileDescriptorProto,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";

/**
 * Writes a proto2 file's descriptor back as source that a compiler reads into the same messages, enums and
 * extensions. Comments are not in a descriptor, and options are left out: whoever needs them has the descriptor.
 *
 * Covers what protovalidate's file uses; throws an `Error` naming the feature for anything else (groups, maps,
 * services, editions, default values).
 */
export function printProto(file: FileDescriptorProto): string {
  if (file.syntax !== "" && file.syntax !== "proto2") throw unsupported(`syntax ${file.syntax}`);
  if (file.service.length > 0) throw unsupported("services");
  const out = ['syntax = "proto2";', `package ${file.package};`];
  for (const path of file.dependency) out.push(`import "${path}";`);
  for (const message of file.messageType) out.push(printMessage(message));
  for (const type of file.enumType) out.push(printEnum(type));
  for (const extension of file.extension) out.push(printExtension(extension));
  return `${out.join("\n")}\n`;
}

function printMessage(message: DescriptorProto): string {
  const out = [`message ${message.name} {`];
  for (const nested of message.nestedType) out.push(printMessage(nested));
  for (const type of message.enumType) out.push(printEnum(type));
  for (const extension of message.extension) out.push(printExtension(extension));
  for (const field of message.field) if (!isInOneof(field)) out.push(printField(field));
  for (const [index, oneof] of message.oneofDecl.entries()) {
    const fields = message.field.filter((field) => isInOneof(field) && field.oneofIndex === index);
    out.push(`oneof ${oneof.name} {`, ...fields.map((field) => printField(field, false)), "}");
  }
  // Ends are exclusive in a descriptor and inclusive in source.
  for (const range of message.extensionRange) out.push(`extensions ${range.start} to ${range.end - 1};`);
  for (const range of message.reservedRange) out.push(`reserved ${range.start} to ${range.end - 1};`);
  for (const name of message.reservedName) out.push(`reserved "${name}";`);
  return [...out, "}"].join("\n");
}

function printEnum(type: EnumDescriptorProto): string {
  return [`enum ${type.name} {`, ...type.value.map((value) => `${value.name} = ${value.number};`), "}"].join("\n");
}

function printExtension(field: FieldDescriptorProto): string {
  return `extend ${field.extendee} { ${printField(field)} }`;
}

function printField(field: FieldDescriptorProto, labelled = true): string {
  if (field.type === Type.GROUP) throw unsupported(`group ${field.name}`);
  if (field.defaultValue !== "") throw unsupported(`default value of ${field.name}`);
  const type = field.typeName === "" ? Type[field.type].toLowerCase() : field.typeName;
  const label = labelled ? `${Label[field.label].toLowerCase()} ` : "";
  return `${label}${type} ${field.name} = ${field.number};`;
}

/** A oneof's index is 0 both for the first oneof and for a field in none: only presence tells. */
function isInOneof(field: FieldDescriptorProto): boolean {
  return Object.hasOwn(field, "oneofIndex");
}

function unsupported(what: string): Error {
  return new Error(`print-proto cannot write ${what}`);
}
