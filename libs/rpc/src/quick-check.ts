import {
  type DescEnum,
  type DescField,
  type DescMessage,
  type DescOneof,
  getOption,
  isFieldSet,
  type Message,
  ScalarType,
} from "@bufbuild/protobuf";
import { type Duration, FeatureSet_FieldPresence as Presence } from "@bufbuild/protobuf/wkt";
import {
  type BoolRules,
  BoolRulesSchema,
  type DoubleRules,
  DoubleRulesSchema,
  type DurationRules,
  DurationRulesSchema,
  type EnumRules,
  EnumRulesSchema,
  type FieldRules,
  FieldRulesSchema,
  field as fieldOption,
  Ignore,
  type Int32Rules,
  Int32RulesSchema,
  type Int64Rules,
  Int64RulesSchema,
  MessageRulesSchema,
  message as messageOption,
  oneof as oneofOption,
  type RepeatedRules,
  RepeatedRulesSchema,
  type Rule,
  type StringRules,
  StringRulesSchema,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";

/** Says of a value that it is surely valid. `false` says nothing. */
type Check<T> = (value: T) => boolean;

/** What is known of a type of messages. */
interface Plan {
  /** `undefined`: its rules are beyond this file, or it is still being planned. */
  check: Check<Message> | undefined;
}

const plans = new Map<DescMessage, Plan>();

/**
 * Whether `message` surely keeps the rules that stand in its contract. It knows the common rules (lengths, patterns,
 * UUIDs, ranges, durations, constants, numbers of items, items of which each has another key, required fields, defined enum
 * values) and says `false` of all others: then it takes protovalidate to tell, and to say what is wrong. It exists because nearly all
 * requests are valid, and protovalidate's walk over one made about a fifth of all garbage that a server makes for a call; to
 * get ready for the policies of the contracts was an eighth of a service's start. A test compares the two.
 */
export function isSurelyValid(schema: DescMessage, message: Message): boolean {
  return planOf(schema).check?.(message) ?? false;
}

/** A rule that this file does not know. */
class Unknown extends Error {}

function planOf(schema: DescMessage): Plan {
  const known = plans.get(schema);
  if (known !== undefined) return known;
  const plan: Plan = { check: undefined };
  // A message within one of its own type finds this plan, which is complete by the time that it is used.
  plans.set(schema, plan);
  try {
    onlyWith(MessageRulesSchema, getOption(schema, messageOption), []);
    const checks = [...schema.oneofs.map(oneofCheck), ...schema.fields.map(fieldCheck)].filter(
      (check) => check !== always,
    );
    plan.check = all(checks);
  } catch (error) {
    if (!(error instanceof Unknown)) throw error;
  }
  return plan;
}

const always = () => true;

function all<T>(checks: readonly Check<T>[]): Check<T> {
  const [only] = checks;
  if (only === undefined) return always;
  if (checks.length === 1) return only;
  return (value) => {
    for (const check of checks) if (!check(value)) return false;
    return true;
  };
}

/** Throws {@link Unknown} for rules that say anything else than what is `known`. */
function onlyWith(schema: DescMessage, rules: Message, known: readonly string[]): void {
  for (const field of schema.fields) if (isFieldSet(rules, field) && !known.includes(field.name)) throw new Unknown();
}

function oneofCheck(oneof: DescOneof): Check<Message> {
  if (!getOption(oneof, oneofOption).required) return always;
  return (message) => (valueAt(message, oneof.localName) as { case?: string }).case !== undefined;
}

const knownRules = ["required", "ignore", "string", "bool", "int32", "int64", "double", "repeated", "enum", "duration"];

function fieldCheck(field: DescField): Check<Message> {
  const rules = getOption(field, fieldOption);
  if (rules.ignore === Ignore.ALWAYS) return always;
  onlyWith(FieldRulesSchema, rules, field.fieldKind === "list" ? [...knownRules, "cel"] : knownRules);
  if (field.presence !== Presence.IMPLICIT && field.presence !== Presence.EXPLICIT) throw new Unknown();
  const check = valueCheck(field, rules);
  const isOptional = rules.ignore === Ignore.IF_ZERO_VALUE || field.presence === Presence.EXPLICIT;
  if (!rules.required && check === always) return always;
  const get = getter(field);
  const isSet = setCheck(field);
  return (message) => {
    const value = get(message);
    if (rules.required || isOptional) if (!isSet(value)) return !rules.required;
    return check(value as never);
  };
}

/** Fields of a oneof stand in the oneof's own property. */
function getter({ oneof, localName }: DescField): (message: Message) => unknown {
  if (oneof === undefined) return (message) => valueAt(message, localName);
  return (message) => {
    const { case: name, value } = valueAt(message, oneof.localName) as { case?: string; value?: unknown };
    return name === localName ? value : undefined;
  };
}

function valueAt(message: Message, name: string): unknown {
  return (message as unknown as Record<string, unknown>)[name];
}

function setCheck({ fieldKind, presence }: DescField): Check<unknown> {
  if (fieldKind === "list") return (value) => (value as readonly unknown[]).length > 0;
  if (fieldKind === "map") return (value) => Object.keys(value as object).length > 0;
  if (presence === Presence.EXPLICIT) return (value) => value !== undefined;
  // What is not a number is not zero either.
  return (value) => (value instanceof Uint8Array ? value.length > 0 : Boolean(value) || Number.isNaN(value));
}

function valueCheck(field: DescField, rules: FieldRules): Check<never> {
  switch (field.fieldKind) {
    case "scalar":
      return scalarCheck(field.scalar, rules);
    case "enum":
      return rules.type.case === "enum" ? enumCheck(field.enum, rules.type.value) : noCheck(rules);
    case "message":
      return messageCheck(field.message, rules);
    case "list": {
      const check =
        rules.type.case === "repeated" ? listCheck(field, rules.type.value) : listCheck(field, undefined, rules);
      return all([check, ...rules.cel.map((rule) => uniqueKeyCheck(field, rule))].filter((one) => one !== always));
    }
    case "map":
      if (field.mapKind === "message") throw new Unknown();
      return noCheck(rules);
  }
}

function noCheck(rules: FieldRules | undefined): Check<never> {
  if (rules?.type.case !== undefined) throw new Unknown();
  return always;
}

function scalarCheck(scalar: ScalarType, rules: FieldRules | undefined): Check<never> {
  const type = rules?.type;
  if (type?.case === "string" && scalar === ScalarType.STRING) return stringCheck(type.value);
  if (type?.case === "int32" && scalar === ScalarType.INT32) return rangeCheck(Int32RulesSchema, type.value);
  if (type?.case === "int64" && scalar === ScalarType.INT64) return rangeCheck(Int64RulesSchema, type.value);
  if (type?.case === "double" && scalar === ScalarType.DOUBLE) return rangeCheck(DoubleRulesSchema, type.value);
  if (type?.case === "bool" && scalar === ScalarType.BOOL) return boolCheck(type.value);
  return noCheck(rules);
}

const uuid = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/;

function stringCheck(rules: StringRules): Check<string> {
  onlyWith(StringRulesSchema, rules, ["min_len", "max_len", "pattern", "uuid"]);
  const checks: Check<string>[] = [];
  const set = (name: keyof typeof StringRulesSchema.field) => isFieldSet(rules, StringRulesSchema.field[name]);
  // Lengths are in characters, of which a string has at most its own length and at least half of that.
  if (set("minLen")) {
    const least = Number(rules.minLen);
    checks.push((text) => text.length >= 2 * least || [...text].length >= least);
  }
  if (set("maxLen")) {
    const most = Number(rules.maxLen);
    checks.push((text) => text.length <= most || (text.length <= 2 * most && [...text].length <= most));
  }
  if (set("pattern")) {
    const pattern = new RegExp(rules.pattern, "u");
    checks.push((text) => pattern.test(text));
  }
  if (set("uuid")) {
    if (rules.wellKnown.value !== true) throw new Unknown();
    checks.push((text) => uuid.test(text));
  }
  return all(checks);
}

function boolCheck(rules: BoolRules): Check<boolean> {
  onlyWith(BoolRulesSchema, rules, ["const"]);
  return isFieldSet(rules, BoolRulesSchema.field.const) ? (value) => value === rules.const : always;
}

/** What is not a number is in no range. */
function rangeCheck(schema: DescMessage, rules: Int32Rules | Int64Rules | DoubleRules): Check<number | bigint> {
  onlyWith(schema, rules, ["gt", "gte", "lt", "lte"]);
  const { greaterThan: lower, lessThan: upper } = rules;
  // Bounds the other way round mean what is outside of them.
  if (lower.value !== undefined && upper.value !== undefined && lower.value > upper.value) throw new Unknown();
  const checks: Check<number | bigint>[] = [];
  const { value: least } = lower;
  const { value: most } = upper;
  if (least !== undefined) checks.push(lower.case === "gt" ? (value) => value > least : (value) => value >= least);
  if (most !== undefined) checks.push(upper.case === "lt" ? (value) => value < most : (value) => value <= most);
  return all(checks);
}

function enumCheck(desc: DescEnum, rules: EnumRules): Check<number> {
  onlyWith(EnumRulesSchema, rules, ["defined_only", "not_in"]);
  const excluded = new Set(rules.notIn);
  if (!rules.definedOnly) return excluded.size === 0 ? always : (value) => !excluded.has(value);
  const allowed = new Set(desc.values.map(({ number }) => number).filter((number) => !excluded.has(number)));
  return (value) => allowed.has(value);
}

function messageCheck(desc: DescMessage, rules: FieldRules | undefined): Check<never> {
  if (rules?.type.case === "duration") return durationCheck(rules.type.value);
  noCheck(rules);
  const plan = planOf(desc);
  // A type that is still being planned has nothing to check yet, but may have later.
  return plan.check === always ? always : (message) => plan.check?.(message) ?? false;
}

const nanosInSecond = 1_000_000_000n;

function durationCheck(rules: DurationRules): Check<Duration> {
  onlyWith(DurationRulesSchema, rules, ["gte", "lte"]);
  const { greaterThan: lower, lessThan: upper } = rules;
  const nanosOf = ({ seconds, nanos }: Duration) => seconds * nanosInSecond + BigInt(nanos);
  const least = lower.case === "gte" ? nanosOf(lower.value) : undefined;
  const most = upper.case === "lte" ? nanosOf(upper.value) : undefined;
  if (least === undefined || most === undefined || least < 0n || least > most) throw new Unknown();
  return (duration) => {
    const nanos = nanosOf(duration);
    // Of a positive one, less than a second of them; else it is none.
    return nanos >= least && nanos <= most && duration.nanos >= 0 && duration.nanos < 1e9;
  };
}

/** That no two items have the same text in one of their fields, as CEL has it; it may be asked of lists up to a length only. */
const uniqueKey = /^(?:size\(this\) > \d+ \|\| )?this\.map\((\w+), \1\.(\w+)\)\.unique\(\)$/;

function uniqueKeyCheck(field: ListField, { expression }: Rule): Check<readonly Message[]> {
  const name = uniqueKey.exec(expression)?.[2];
  const key = field.listKind === "message" ? field.message.fields.find((one) => one.name === name) : undefined;
  if (key?.fieldKind !== "scalar" || key.scalar !== ScalarType.STRING || key.oneof !== undefined) throw new Unknown();
  return (list) => list.length < 2 || new Set(list.map((item) => valueAt(item, key.localName))).size === list.length;
}

type ListField = DescField & { readonly fieldKind: "list" };

function listCheck(field: ListField, rules: RepeatedRules | undefined, own?: FieldRules): Check<readonly never[]> {
  noCheck(own);
  if (rules !== undefined) onlyWith(RepeatedRulesSchema, rules, ["min_items", "max_items", "unique", "items"]);
  const checks: Check<readonly never[]>[] = [];
  if (rules !== undefined && isFieldSet(rules, RepeatedRulesSchema.field.minItems)) {
    const least = Number(rules.minItems);
    checks.push((list) => list.length >= least);
  }
  if (rules !== undefined && isFieldSet(rules, RepeatedRulesSchema.field.maxItems)) {
    const most = Number(rules.maxItems);
    checks.push((list) => list.length <= most);
  }
  if (rules?.unique === true) {
    const isText = field.listKind === "scalar" && field.scalar === ScalarType.STRING;
    if (!isText && field.listKind !== "enum") throw new Unknown();
    checks.push((list) => new Set(list).size === list.length);
  }
  const check = itemCheck(field, rules?.items);
  if (check !== always) checks.push((list) => list.every(check));
  return all(checks);
}

function itemCheck(field: ListField, items: FieldRules | undefined): Check<never> {
  if (items !== undefined) onlyWith(FieldRulesSchema, items, ["string", "int32", "int64", "enum"]);
  if (field.listKind === "scalar") return scalarCheck(field.scalar, items);
  if (field.listKind === "message") return messageCheck(field.message, items);
  return items?.type.case === "enum" ? enumCheck(field.enum, items.type.value) : noCheck(items);
}
