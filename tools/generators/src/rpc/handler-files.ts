import { camelCase, kebabCase } from "../names.ts";
import type { MethodPlan } from "./generator.ts";

/** The handler: maps both ways, around a use case that is still to be written. */
export function handlerFile({ service, method, fields, uuids, domainFile, answer }: MethodPlan): string {
  const name = camelCase(method);
  const asked = fields.map((field) => (uuids.includes(field) ? `${field}: ${field}.toLowerCase()` : field));
  return `import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ${method}Request, ${method}ResponseSchema } from "@shoal/contracts/${service}/v1/${service}_service";
import { notWritten } from "@shoal/rpc";
${domainFile === undefined ? "" : `import { domain } from "${domainFile}";\n`}
/** ${method}: the contract's words in, the domain's use case, the contract's words out. */
export async function ${name}(request: ${method}Request): Promise<MessageInitShape<typeof ${method}ResponseSchema>> {
  ${answer === undefined ? "await perform(asked(request));\n  return {};" : `return { ${answer}: await perform(asked(request)) };`}
}

/** What is asked for, as the domain calls it${uuids.length > 0 ? "; ids are kept in lower case" : ""}. */
function asked(${fields.length === 0 ? "_request" : `{ ${fields.join(", ")} }`}: ${method}Request) {
  return { ${asked.join(", ")} };
}

/** To be replaced by a use case of the domain: a further parameter of \`${name}\`, which the other handlers have too. */
async function perform(_asked: ReturnType<typeof asked>): Promise<never> {
  throw notWritten("${method}", ${domainFile === undefined ? `"shoal.${service}"` : "domain"});
}
`;
}

/** Its test, which fails until the handler is written. */
export function handlerTest({ service, method }: MethodPlan, path: string): string {
  const name = camelCase(method);
  return `import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { ${method}RequestSchema } from "@shoal/contracts/${service}/v1/${service}_service";
import { ${name} } from "./${kebabCase(method)}.ts";

test("${method} answers", async () => {
  await assert.doesNotReject(
    ${name}(create(${method}RequestSchema)),
    "${method} is not written yet: write ${path}, then say here what it answers",
  );
});
`;
}
