import { pascalCase, sentence, withArticle } from "../names.ts";
import type { ServicePlan } from "./plan.ts";
import type { Reference } from "./references.ts";

/** The service's contract: `proto/shoal/<name>/v1/<name>_service.proto`. */
export function contract(plan: ServicePlan): string {
  const { name, entity, storage } = plan;
  const parts = storage === "sql" ? stateful(plan) : stateless(plan);
  const methods = [...parts.methods, ...plan.custom.map(unwritten)];
  const messages = [...parts.messages, ...plan.custom.flatMap((method) => customMessages(plan, method))];
  return `syntax = "proto3";

package shoal.${name}.v1;

import "buf/validate/validate.proto";
import "google/protobuf/timestamp.proto";
import "shoal/policy/v1/policy.proto";

// ${storage === "sql" ? `Owns the ${plan.plural}.` : `Knows what ${withArticle(name)} needs, and keeps nothing.`}
service ${entity}Service {
  option (shoal.policy.v1.defaults) = {
    timeout: {seconds: 5}
    retry: {
      max_attempts: 3
      initial_backoff: {nanos: 50000000}
      max_backoff: {seconds: 1}
      backoff_multiplier: 2
      codes: [
        UNAVAILABLE,
        RESOURCE_EXHAUSTED
      ]
    }
  };

${methods.join("\n\n")}
}

${messages.join("\n\n")}
`;
}

interface Parts {
  readonly methods: readonly string[];
  readonly messages: readonly string[];
}

function stateful({ name, entity, plural: many, references, lists, deletes }: ServicePlan): Parts {
  const entities = pascalCase(many);
  const reasons = references.map(({ notFound }) => notFound).join(", ");
  const methods = [
    method(`Create${entity}`, `Keeps a new ${name}.${reasons && ` NOT_FOUND (${reasons}).`}`),
    method(`Get${entity}`, `Reads one ${name}. NOT_FOUND (${name.toUpperCase()}_NOT_FOUND).`, "NO_SIDE_EFFECTS"),
  ];
  const messages = [
    message(entity, `${sentence(withArticle(name))}.`, [
      comment("UUID, given by the service."),
      "string id = 1;",
      "",
      comment("The name to show."),
      "string display_name = 2;",
      ...references.flatMap(({ noun, protoField, isUuid }, index) => [
        "",
        comment(`The ${noun} that it is for${isUuid ? ": a UUID" : ""}.`),
        `string ${protoField} = ${index + 3};`,
      ]),
      "",
      comment("When it was created, to the millisecond."),
      `google.protobuf.Timestamp create_time = ${references.length + 3};`,
    ]),
    message(`Create${entity}Request`, "", [
      ...displayName(1),
      ...references.flatMap((reference, index) => key(reference, index + 2)),
    ]),
    message(`Create${entity}Response`, "", [comment(`The new ${name}.`), `${entity} ${name} = 1;`]),
    message(`Get${entity}Request`, "", id(name)),
    message(`Get${entity}Response`, "", [comment(`The ${name} as of now.`), `${entity} ${name} = 1;`]),
  ];
  if (lists) {
    methods.push(
      method(
        `List${entities}`,
        `Lists ${many}, oldest first. What is created while paging appears on a later page.`,
        "NO_SIDE_EFFECTS",
      ),
    );
    messages.push(
      message(`List${entities}Request`, "", [
        comment(`0 to 100 ${many} a page; 0 means 50.`),
        "int32 page_size = 1 [(buf.validate.field).int32 = {gte: 0 lte: 100}];",
        "",
        comment("The next_page_token of the page before; empty for the first page. Opaque."),
        "string page_token = 2 [(buf.validate.field).string.max_len = 512];",
      ]),
      message(`List${entities}Response`, "", [
        comment("This page, oldest first."),
        `repeated ${entity} ${many} = 1;`,
        "",
        comment("Token of the next page; empty on the last one."),
        "string next_page_token = 2;",
      ]),
    );
  }
  if (deletes) {
    methods.push(
      method(
        `Delete${entity}`,
        `Forgets ${withArticle(name)}. Doing it again changes nothing and succeeds.`,
        "IDEMPOTENT",
      ),
    );
    messages.push(message(`Delete${entity}Request`, "", id(name)), message(`Delete${entity}Response`, "", []));
  }
  return { methods, messages };
}

function stateless({ name, entity, references }: ServicePlan): Parts {
  const reasons = references.map(({ notFound }) => notFound).join(", ");
  return {
    methods: [
      method(
        `Check${entity}`,
        `Says that there can be ${withArticle(name)} of that name${reasons && `, or what it lacks. NOT_FOUND (${reasons})`}.`,
        "NO_SIDE_EFFECTS",
      ),
    ],
    messages: [
      message(`Check${entity}Request`, "", [
        ...displayName(1),
        ...references.flatMap((reference, index) => key(reference, index + 2)),
      ]),
      message(`Check${entity}Response`, "", [
        comment("When that was so, to the millisecond."),
        "google.protobuf.Timestamp check_time = 1;",
      ]),
    ],
  };
}

function customMessages({ name, entity, storage }: ServicePlan, method: string): readonly string[] {
  if (storage === "none")
    return [message(`${method}Request`, "", displayName(1)), message(`${method}Response`, "", [])];
  return [
    message(`${method}Request`, "", id(name)),
    message(`${method}Response`, "", [comment(`The ${name} after that.`), `${entity} ${name} = 1;`]),
  ];
}

/** Whether a method is surely one that changes nothing, by its name, so that clients may repeat it: not `GetOrCreateUser`. */
function isRead(method: string): boolean {
  return /^(?:Get|List|Search|Find|Count)(?!Or[A-Z]|And[A-Z])[A-Z]/.test(method);
}

/** A method that is left to be written. */
export function unwritten(name: string): string {
  const says = "Not written yet: UNIMPLEMENTED (METHOD_NOT_WRITTEN).";
  return method(name, says, isRead(name) ? "NO_SIDE_EFFECTS" : undefined);
}

/** A method of a contract, with what is said above it. */
function method(name: string, says: string, idempotency?: "NO_SIDE_EFFECTS" | "IDEMPOTENT"): string {
  const head = `  // ${says}\n  rpc ${name}(${name}Request) returns (${name}Response)`;
  return idempotency === undefined ? `${head};` : `${head} {\n    option idempotency_level = ${idempotency};\n  }`;
}

/** A message of a contract; `says` may be empty. */
export function message(name: string, says: string, fields: readonly string[]): string {
  const head = `${says === "" ? "" : `// ${says}\n`}message ${name} {`;
  return fields.length === 0
    ? `${head}}`
    : `${head}\n${fields.map((line) => (line === "" ? "" : `  ${line}`)).join("\n")}\n}`;
}

function comment(says: string): string {
  return `// ${says}`;
}

function id(name: string): readonly string[] {
  return [comment(`UUID of the ${name}.`), `string ${name}_id = 1 [(buf.validate.field).string.uuid = true];`];
}

function displayName(number: number): readonly string[] {
  return [
    comment("1 to 100 characters, not only white space."),
    `string display_name = ${number} [(buf.validate.field).string = {max_len: 100 pattern: "\\\\S"}];`,
  ];
}

function key({ noun, protoField, isUuid }: Reference, number: number): readonly string[] {
  return isUuid
    ? [
        "",
        comment(`UUID of the ${noun} that it is for.`),
        `string ${protoField} = ${number} [(buf.validate.field).string.uuid = true];`,
      ]
    : [
        "",
        comment(`The ${noun} that it is for: 1 to 255 characters.`),
        `string ${protoField} = ${number} [(buf.validate.field).string = {min_len: 1 max_len: 255}];`,
      ];
}
