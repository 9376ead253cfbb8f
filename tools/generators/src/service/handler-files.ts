import { camelCase, pascalCase } from "../names.ts";
import { directoryOf } from "./domain-files.ts";
import type { ServicePlan } from "./plan.ts";
import { samplesOf } from "./samples.ts";

/** The RPC methods, and their tests, by their paths in `src/`. */
export function handlerFiles(plan: ServicePlan): Readonly<Record<string, string>> {
  const stateful = plan.storage === "sql";
  return {
    "handlers.ts": stateful ? statefulHandlers(plan) : statelessHandlers(plan),
    "handlers.test.ts": stateful ? statefulTest(plan) : statelessTest(plan),
  };
}

function customHandlers({ custom }: ServicePlan): string {
  return custom
    .map(
      (method) => `
    ${camelCase(method)}: async () => {
      throw notWritten("${method}", domain);
    },
`,
    )
    .join("");
}

const canonicalUuid = `
/** A UUID of a request as it is kept: the contract lets upper case through. */
function canonicalUuid(uuid: string): string {
  return uuid.toLowerCase();
}
`;

function statefulHandlers(plan: ServicePlan): string {
  const { name, entity, plural: many, references, lists, deletes, custom } = plan;
  const rpc = [
    ...(lists ? ["cutPage", "decodePageToken"] : []),
    "implement",
    ...(custom.length > 0 ? ["notWritten"] : []),
  ];
  const needsDomain = lists || custom.length > 0;
  const made = [
    "displayName",
    ...references.map(({ field, isUuid }) => (isUuid ? `${field}: canonicalUuid(${field})` : field)),
  ];
  return `import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type ${entity}Schema, ${entity}Service } from "@shoal/contracts/${name}/v1/${name}_service";
import { ${rpc.join(", ")} } from "@shoal/rpc";
${needsDomain ? `import { domain, type ${entity} }` : `import type { ${entity} }`} from "./domain/${name}.ts";
import type { ${pascalCase(many)} } from "./domain/${many}.ts";
${
  lists
    ? `
const defaultPageSize = 50;
const listScope = ["${many}"];
`
    : ""
}
/** ${entity}Service on the domain's use cases. */
export function ${name}Handlers(${many}: ${pascalCase(many)}) {
  return implement(${entity}Service, {
    create${entity}: async ({ ${["displayName", ...references.map(({ field }) => field)].join(", ")} }) => ({
      ${name}: toMessage(await ${many}.create({ ${made.join(", ")} })),
    }),

    get${entity}: async ({ ${name}Id }) => ({ ${name}: toMessage(await ${many}.get(canonicalUuid(${name}Id))) }),
${
  lists
    ? `
    list${pascalCase(many)}: async ({ pageSize, pageToken }) => {
      const limit = pageSize || defaultPageSize;
      const [after] = decodePageToken(pageToken, listScope, ["string"], domain) ?? [""];
      const found = await ${many}.list(String(after), limit + 1);
      const { page, nextPageToken } = cutPage(found, limit, listScope, ({ id }) => [id]);
      return { ${many}: page.map(toMessage), nextPageToken };
    },
`
    : ""
}${
  deletes
    ? `
    delete${entity}: async ({ ${name}Id }) => {
      await ${many}.delete(canonicalUuid(${name}Id));
      return {};
    },
`
    : ""
}${customHandlers(plan)}  });
}
${canonicalUuid}
function toMessage(${name}: ${entity}): MessageInitShape<typeof ${entity}Schema> {
  return {
    id: ${name}.id,
    displayName: ${name}.displayName,
${references.map(({ field }) => `    ${field}: ${name}.${field},\n`).join("")}    createTime: timestampFromMs(${name}.createdAtMs),
  };
}
`;
}

function statelessHandlers(plan: ServicePlan): string {
  const { name, entity, plural: many, references, custom } = plan;
  const fields = references.map(({ field }) => field);
  const asked = references.map(({ field, isUuid }) => (isUuid ? `${field}: canonicalUuid(${field})` : field));
  const rpc = ["implement", ...(custom.length > 0 ? ["notWritten"] : [])];
  return `import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ${entity}Service } from "@shoal/contracts/${name}/v1/${name}_service";
import { ${rpc.join(", ")} } from "@shoal/rpc";
${custom.length > 0 ? `import { domain } from "./domain/${name}.ts";\n` : ""}import type { ${pascalCase(many)} } from "./domain/${many}.ts";

/** ${entity}Service on the domain's use cases. */
export function ${name}Handlers(${many}: ${pascalCase(many)}) {
  return implement(${entity}Service, {
    check${entity}: async (${fields.length > 0 ? `{ ${fields.join(", ")} }` : ""}) => ({
      checkTime: timestampFromMs(await ${many}.check(${asked.length > 0 ? `{ ${asked.join(", ")} }` : ""})),
    }),
${customHandlers(plan)}  });
}
${references.some(({ isUuid }) => isUuid) ? canonicalUuid : ""}`;
}

function customTests({ name, custom, storage }: ServicePlan, handlers: string): string {
  const request = storage === "sql" ? `{ ${name}Id: id }` : `{ displayName: "One" }`;
  return custom
    .map(
      (method) => `
test("${method} says that it is not written yet", async () => {
  const calling = call("${camelCase(method)}", ${request}, ${handlers});
  await assert.rejects(calling, (error) => isAppError(error, "METHOD_NOT_WRITTEN"));
});
`,
    )
    .join("");
}

const caller = (name: string, many: string) => `
/** Calls a method as the server does, with a request that the contract lets through. */
async function call(method: string, request: object, ${many}: ReturnType<typeof create${pascalCase(many)}>): Promise<unknown> {
  return await ${name}Handlers(${many}).handlers[method]?.(request, {} as HandlerContext);
}
`;

function directories({ references }: ServicePlan): string {
  return references
    .map((reference) => `    ${directoryOf(reference)}: directory("${directoryOf(reference)}"),\n`)
    .join("");
}

/** Stands for the services that are asked, and notes who was asked for what. */
const directoryFake = `  const keys: string[] = [];
  const directory = (what: string) => ({
    exists: async (key: string) => {
      keys.push(\`\${what} \${key}\`);
      return what !== missing;
    },
  });
`;

/** Who is asked for what, as the fake notes it. */
function asking({ references }: ServicePlan): string {
  const samples = samplesOf(references);
  return references.map((reference, index) => `"${directoryOf(reference)} ${samples[index]}"`).join(", ");
}

/** What a test says of each reference: what is not there, and the error for that. */
function missing({ references }: ServicePlan): string {
  const pairs = references.map((reference) => `["${directoryOf(reference)}", "${reference.notFound}"]`);
  return `[${pairs.join(", ")}] as const`;
}

function statefulTest(plan: ServicePlan): string {
  const { name, entity, plural: many, references, lists, deletes } = plan;
  const samples = samplesOf(references);
  const refs = references.map(({ field }, index) => `${field}: "${samples[index]}"`);
  const upper = references.flatMap(({ field, isUuid }, index) =>
    isUuid ? [`${field}: "${samples[index]?.toUpperCase()}"`] : [],
  );
  const asks = references.length > 0;
  return `import assert from "node:assert/strict";
import { test } from "node:test";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { isAppError } from "@shoal/kernel";
import type { HandlerContext } from "@shoal/rpc";
import type { ${entity} } from "./domain/${name}.ts";
import { create${pascalCase(many)} } from "./domain/${many}.ts";
import { ${name}Handlers } from "./handlers.ts";

const id = "0190a000-0000-7000-8000-00000000000a";
const asked = { displayName: "One"${refs.map((ref) => `, ${ref}`).join("")} };

/** The use cases on a store in memory${asks ? ", where all that they refer to is there but what is `missing`" : ""}. */
function useCases(${asks ? '{ missing = "" } = {}' : ""}) {
  const kept = new Map<string, ${entity}>();
${asks ? directoryFake : ""}  const ${many} = create${pascalCase(many)}({
    store: {
      insert: async (${name}) => void kept.set(${name}.id, ${name}),
      find: async (sought) => kept.get(sought),
${lists ? "      list: async (after, limit) => [...kept.values()].filter((each) => each.id > after).slice(0, limit),\n" : ""}${deletes ? "      delete: async (sought) => void kept.delete(sought),\n" : ""}    },
${directories(plan)}    clock: { now: () => 1_000 },
    newId: () => id.slice(0, -1) + (10 + kept.size).toString(16),
  });
  return { ${many}, kept${asks ? ", keys" : ""} };
}
${caller(name, many)}
test("what is created is answered, and read again by an id in any case", async () => {
  const { ${many}${asks ? ", keys" : ""} } = useCases();
  const ${name} = { id, ...asked, createTime: timestampFromMs(1_000) };
  assert.deepEqual(await call("create${entity}", ${upper.length > 0 ? `{ ...asked, ${upper.join(", ")} }` : "asked"}, ${many}), { ${name} });
${asks ? `  assert.deepEqual(keys, [${asking(plan)}]);\n` : ""}  assert.deepEqual(await call("get${entity}", { ${name}Id: id.toUpperCase() }, ${many}), { ${name} });
});
${
  asks
    ? `
test("nothing is kept that refers to what is not there", async () => {
  for (const [missing, reason] of ${missing(plan)}) {
    const { ${many}, kept } = useCases({ missing });
    const creating = call("create${entity}", asked, ${many});
    await assert.rejects(creating, (error) => isAppError(error, reason));
    assert.equal(kept.size, 0);
  }
});
`
    : ""
}
test("what is not there is not found", async () => {
  const reading = call("get${entity}", { ${name}Id: id }, useCases().${many});
  await assert.rejects(reading, (error) => isAppError(error, "${name.toUpperCase()}_NOT_FOUND"));
});
${
  lists
    ? `
test("pages hold as many as are asked for, and lead on until the last", async () => {
  const { ${many} } = useCases();
  for (const _ of ["one", "two", "three"]) await call("create${entity}", asked, ${many});
  const page = async (pageToken: string) => {
    const answer = await call("list${pascalCase(many)}", { pageSize: 2, pageToken }, ${many});
    return answer as { ${many}: { id: string }[]; nextPageToken: string };
  };
  const first = await page("");
  const last = await page(first.nextPageToken);
  assert.deepEqual([first.${many}.length, last.${many}.length, last.nextPageToken], [2, 1, ""]);
});
`
    : ""
}${
  deletes
    ? `
test("what is deleted is gone, and may be deleted again", async () => {
  const { ${many}, kept } = useCases();
  await call("create${entity}", asked, ${many});
  for (const _ of ["once", "again"]) assert.deepEqual(await call("delete${entity}", { ${name}Id: id.toUpperCase() }, ${many}), {});
  assert.equal(kept.size, 0);
});
`
    : ""
}${customTests(plan, `useCases().${many}`)}`;
}

function statelessTest(plan: ServicePlan): string {
  const { name, entity, plural: many, references, custom } = plan;
  const asks = references.length > 0;
  const samples = samplesOf(references);
  const refs = references.map(({ field }, index) => `${field}: "${samples[index]}"`);
  const needsErrors = asks || custom.length > 0;
  return `import assert from "node:assert/strict";
import { test } from "node:test";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
${needsErrors ? 'import { isAppError } from "@shoal/kernel";\n' : ""}import type { HandlerContext } from "@shoal/rpc";
import { create${pascalCase(many)} } from "./domain/${many}.ts";
import { ${name}Handlers } from "./handlers.ts";

const asked = { displayName: "One"${refs.map((ref) => `, ${ref}`).join("")} };

/** The use cases${asks ? ", where all that they refer to is there but what is `missing`" : ""}. */
function useCases(${asks ? '{ missing = "" } = {}' : ""}) {
${asks ? directoryFake : ""}  const ${many} = create${pascalCase(many)}({
${directories(plan)}    clock: { now: () => 1_000 },
  });
  return { ${many}${asks ? ", keys" : ""} };
}
${caller(name, many)}
test("it is answered when there can be one", async () => {
  const { ${many}${asks ? ", keys" : ""} } = useCases();
  assert.deepEqual(await call("check${entity}", asked, ${many}), { checkTime: timestampFromMs(1_000) });
${asks ? `  assert.deepEqual(keys, [${asking(plan)}]);\n` : ""}});
${
  asks
    ? `
test("what it refers to must be there", async () => {
  for (const [missing, reason] of ${missing(plan)}) {
    const checking = call("check${entity}", asked, useCases({ missing }).${many});
    await assert.rejects(checking, (error) => isAppError(error, reason));
  }
});
`
    : ""
}${customTests(plan, `useCases().${many}`)}`;
}
