import { pascalCase, sentence, withArticle } from "../names.ts";
import { factoryOf, fileOf } from "./client-files.ts";
import { directoryOf } from "./domain-files.ts";
import type { ServicePlan } from "./plan.ts";
import type { Reference } from "./references.ts";
import { missingOf, samplesOf } from "./samples.ts";

/** What stands at the top of the service's folder and of its `src/`, by the paths in the folder. */
export function appFiles(
  plan: ServicePlan,
  versionOf: (dependency: string) => string,
): Readonly<Record<string, string>> {
  return {
    "package.json": manifest(plan, versionOf),
    "README.md": readme(plan),
    "src/main.ts": main(plan),
    "src/config.ts": config(plan),
    "src/service.ts": plan.storage === "sql" ? statefulService(plan) : statelessService(plan),
    "src/service.int.test.ts": serviceTest(plan),
  };
}

function manifest(
  { name, grpcPort, storage, references }: ServicePlan,
  versionOf: (dependency: string) => string,
): string {
  const stateful = storage === "sql";
  const own = ["config", "contracts", "kernel", "rpc", "runtime", ...(stateful ? ["storage"] : [])];
  const external = ["@bufbuild/protobuf", ...(stateful ? ["kysely"] : [])];
  const dependencies = [
    ...own.map((lib) => [`@shoal/${lib}`, "*"]),
    ...external.map((each) => [each, versionOf(each)]),
  ];
  const calls = [...new Set(references.map(({ service }) => service))];
  return `${JSON.stringify(
    {
      name: `@shoal/${name}`,
      version: "0.1.0",
      private: true,
      type: "module",
      shoal: { grpcPort, calls, storage },
      scripts: { start: "exec node src/main.ts", test: "node ../../tools/repo/src/run-tests.ts" },
      dependencies: Object.fromEntries(dependencies.toSorted()),
      devDependencies: { "@shoal/telemetry": "*", "@shoal/testkit": "*" },
    },
    undefined,
    2,
  )}\n`;
}

function main({ name }: ServicePlan): string {
  return `import { runService } from "@shoal/runtime";
import { declaredSettings } from "./config.ts";
import { ${name}Service } from "./service.ts";

await runService(${name}Service, declaredSettings);
`;
}

function config({ name, entity, storage, references }: ServicePlan): string {
  const stateful = storage === "sql";
  const imported = [
    ...(references.length > 0 ? ["addressSetting"] : []),
    ...(stateful ? ["databaseSettings"] : []),
    "serviceSettings",
  ];
  return `import type { SettingsOf } from "@shoal/config";
import { ${imported.join(", ")} } from "@shoal/runtime";
import manifest from "../package.json" with { type: "json" };

/** The settings of the ${name} service. */
export const declaredSettings = {
  ...serviceSettings("${name}", manifest.shoal.grpcPort),
${stateful ? `  ...databaseSettings("${name}"),\n` : ""}${references.map(({ service }) => `  ${service}Address: addressSetting("${name}", "${service}"),\n`).join("")}};

/** Their values. */
export type ${entity}Settings = SettingsOf<typeof declaredSettings>;
`;
}

function clients(references: readonly Reference[]): string {
  return references
    .map(
      ({ service }) => `
    const ${service}Client = createClient(${pascalCase(service)}Service, { ...clientOptions, address: settings.${service}Address });
    lifecycle.onStop("${service} client", () => ${service}Client[Symbol.dispose]());
`,
    )
    .join("");
}

function directories(references: readonly Reference[]): string {
  return references
    .map((reference) => `      ${directoryOf(reference)}: ${factoryOf(reference)}(${reference.service}Client),\n`)
    .join("");
}

function contractImports(references: readonly Reference[]): string {
  return references
    .map(
      ({ service }) =>
        `import { ${pascalCase(service)}Service } from "@shoal/contracts/${service}/v1/${service}_service";\n`,
    )
    .join("");
}

function clientImports(references: readonly Reference[]): string {
  return references
    .map((reference) => `import { ${factoryOf(reference)} } from "./clients/${fileOf(reference)}";\n`)
    .join("");
}

function statefulService(plan: ServicePlan): string {
  const { name, entity, plural: many, references } = plan;
  const asks = references.length > 0;
  return `${contractImports(references)}import { newId, systemClock } from "@shoal/kernel";
${asks ? 'import { createClient } from "@shoal/rpc";\n' : ""}import { sqlService } from "@shoal/runtime";
${clientImports(references)}import type { ${entity}Settings } from "./config.ts";
import { create${pascalCase(many)} } from "./domain/${many}.ts";
import { ${name}Handlers } from "./handlers.ts";
import { migrations } from "./store/migrations.ts";
import { createSql${entity}Store, type ${entity}Tables } from "./store/sql-${name}-store.ts";

/** The ${name} service and all its parts. */
export const ${name}Service = sqlService<${entity}Settings, ${entity}Tables>({
  name: "${name}",
  migrations,
  build: async ({ ${asks ? "settings, database, lifecycle, clientOptions" : "database"} }) => {${clients(references)}
    const ${many} = create${pascalCase(many)}({
      store: createSql${entity}Store(database),
${directories(references)}      clock: systemClock,
      newId,
    });
    return { services: [${name}Handlers(${many})] };
  },
});
`;
}

function statelessService(plan: ServicePlan): string {
  const { name, entity, plural: many, references } = plan;
  const asks = references.length > 0;
  return `${contractImports(references)}import { systemClock } from "@shoal/kernel";
${asks ? 'import { createClient } from "@shoal/rpc";\n' : ""}import type { ServiceDefinition } from "@shoal/runtime";
${clientImports(references)}import type { ${entity}Settings } from "./config.ts";
import { create${pascalCase(many)} } from "./domain/${many}.ts";
import { ${name}Handlers } from "./handlers.ts";

/** The ${name} service and all its parts. */
export const ${name}Service: ServiceDefinition<${entity}Settings> = {
  name: "${name}",
  build: async (${asks ? "{ settings, lifecycle, clientOptions }" : ""}) => {${clients(references)}
    const ${many} = create${pascalCase(many)}({
${directories(references)}      clock: systemClock,
    });
    return { services: [${name}Handlers(${many})] };
  },
};
`;
}

function serviceTest(plan: ServicePlan): string {
  const { name, entity, storage, references } = plan;
  const upper = name.toUpperCase();
  const stateful = storage === "sql";
  const asks = references.length > 0;
  const contracts = [...new Set([name, ...references.map(({ service }) => service)])].toSorted();
  const callees = references
    .map(
      ({
        service,
        noun,
        notFound,
        field,
      }) => `  const ${service} = await serve(t, ${pascalCase(service)}Service, async ({ ${field} }: { ${field}: string }) => {
    if (${field} === missing.${field}) throw new AppError({ kind: "missing", reason: "${notFound}", domain: "shoal.${service}", message: "no ${noun}" });
    return {};
  });
`,
    )
    .join("");
  const samples = samplesOf(references);
  const refs = references.map(({ field }, index) => `${field}: "${samples[index]}"`);
  const missing = references.map((reference) => `${reference.field}: "${missingOf(reference)}"`);
  const reasons = references.map(({ field, notFound }) => `["${field}", "${notFound}"]`);
  const method = stateful ? `create${entity}` : `check${entity}`;
  return `import assert from "node:assert/strict";
${stateful ? 'import { join } from "node:path";\n' : ""}import { type TestContext, test } from "node:test";
${asks ? 'import type { DescService } from "@bufbuild/protobuf";\n' : ""}import { readSettings } from "@shoal/config";
${contracts.map((each) => `import { ${pascalCase(each)}Service } from "@shoal/contracts/${each}/v1/${each}_service";\n`).join("")}import { ${asks ? "AppError, " : ""}isAppError } from "@shoal/kernel";
import { createClient${asks ? ", createServer, implement, type ServiceHandlers" : ""} } from "@shoal/rpc";
import { startService } from "@shoal/runtime";
import { createLogger } from "@shoal/telemetry";
${stateful ? 'import { temporaryDirectory } from "@shoal/testkit";\n' : ""}import { declaredSettings } from "./config.ts";
import { ${name}Service } from "./service.ts";
${
  asks
    ? `
/** What the other services know nothing of. */
const missing = { ${missing.join(", ")} };

/** Serves another service, whose methods all do the same; answers its address. */
async function serve(t: TestContext, contract: DescService, method: (request: never) => Promise<object>): Promise<string> {
  const handlers = Object.fromEntries(contract.methods.map(({ localName }) => [localName, method]));
  const server = createServer({
    services: [implement(contract, handlers as ServiceHandlers<DescService>)],
    errorDomain: contract.typeName,
  });
  t.after(() => server.drain(0));
  return \`127.0.0.1:\${await server.listen({ host: "127.0.0.1", port: 0 })}\`;
}
`
    : ""
}
/** The service on ${stateful ? "a database of its own" : "any ports"}${asks ? ", and what it calls" : ""}; answers a client. */
async function start(t: TestContext) {
${callees}  const settings = readSettings("SHOAL_${upper}_", declaredSettings, {
    SHOAL_${upper}_GRPC_PORT: "0",
    SHOAL_${upper}_ADMIN_PORT: "0",
${stateful ? `    SHOAL_${upper}_DATABASE_URL: \`sqlite:\${join(await temporaryDirectory(t), "${name}.db")}\`,\n` : ""}${references.map(({ service }) => `    SHOAL_${upper}_${service.toUpperCase()}_ADDRESS: ${service},\n`).join("")}  });
  const service = await startService(${name}Service, settings, createLogger("${name}", "fatal"));
  t.after(() => service.stop());
  const client = createClient(${entity}Service, { address: \`127.0.0.1:\${service.grpcPort}\` });
  t.after(() => client[Symbol.dispose]());
  return client;
}

const asked = { displayName: "One"${refs.map((ref) => `, ${ref}`).join("")} };

${
  stateful
    ? `test("what is created can be read", async (t) => {
  const client = await start(t);
  const { ${name} } = await client.create${entity}(asked);
  assert.ok(${name} !== undefined);
  assert.deepEqual(await client.get${entity}({ ${name}Id: ${name}.id }), await client.get${entity}({ ${name}Id: ${name}.id.toUpperCase() }));
  assert.equal((await client.get${entity}({ ${name}Id: ${name}.id })).${name}?.displayName, "One");
});`
    : `test("it is answered when there can be one", async (t) => {
  const client = await start(t);
  const { checkTime } = await client.check${entity}(asked);
  assert.ok(checkTime !== undefined);
});`
}
${
  asks
    ? `
test("what the other services know nothing of is not found", async (t) => {
  const client = await start(t);
  for (const [field, reason] of [${reasons.join(", ")}] as const) {
    const calling = client.${method}({ ...asked, [field]: missing[field] });
    await assert.rejects(calling, (error) => isAppError(error, reason));
  }
});
`
    : ""
}
test("a request that breaks the contract's rules is refused with the field's name", async (t) => {
  const client = await start(t);
  await assert.rejects(client.${method}({ ...asked, displayName: " " }), (error) => {
    assert.ok(isAppError(error, "INVALID_REQUEST"));
    assert.deepEqual(
      error.violations.map(({ field }) => field),
      ["display_name"],
    );
    return true;
  });
});
`;
}

function readme(plan: ServicePlan): string {
  const { name, entity, plural: many, grpcPort, storage, references } = plan;
  const stateful = storage === "sql";
  const method = stateful ? `Create${entity}` : `Check${entity}`;
  const request = JSON.stringify({
    display_name: "One",
    ...Object.fromEntries(
      references.map(({ protoField, noun, isUuid }) => [
        protoField,
        `THE ${isUuid ? "ID" : "KEY"} OF ${withArticle(noun).toUpperCase()}`,
      ]),
    ),
  });
  const rules = [
    ...references.map(
      ({ service, noun, notFound }) =>
        `- ${sentence(withArticle(name))} is for ${withArticle(noun)}, which the ${service} service must know: NOT_FOUND (\`${notFound}\`) otherwise.`,
    ),
    ...(stateful
      ? [
          "- Ids are UUIDs that sort by when they were given.",
          `- \`Create${entity}\` is not safe to repeat: the same request again makes another one, so clients do not retry it by themselves.`,
        ]
      : ["- It keeps no state; run as many instances as you like."]),
    ...(plan.lists
      ? [`- \`List${pascalCase(many)}\` is sorted by id. A page token stays good however many are added.`]
      : []),
    ...(plan.deletes ? [`- \`Delete${entity}\` may be repeated.`] : []),
    ...plan.custom.map(
      (each) => `- \`${each}\` is in the contract and not written yet: UNIMPLEMENTED (\`METHOD_NOT_WRITTEN\`).`,
    ),
  ];
  return `# The ${name} service

${stateful ? `Owns the ${many}` : `Knows what ${withArticle(name)} needs`}: \`shoal.${name}.v1.${entity}Service\` on port ${grpcPort}, admin on ${grpcPort + 1_000}.

\`\`\`
npx buf curl --protocol grpc --http2-prior-knowledge \\
  -d '${request}' \\
  http://127.0.0.1:${grpcPort}/shoal.${name}.v1.${entity}Service/${method}
\`\`\`

## Rules

${rules.join("\n")}

## Where things live

| | |
|---|---|
| \`src/service.ts\` | how the parts are wired |
| \`src/config.ts\` | the settings |
| \`src/domain/\` | ${stateful ? `${many}, their rules and errors, and the ports to what they need` : "the rules, and the ports to what they need"} |
| \`src/handlers.ts\` | the RPC methods |
${references.length > 0 ? "| `src/clients/` | the services that it calls, behind the domain's ports |\n" : ""}${stateful ? "| `src/store/` | SQL behind the port, its migrations, and the contract suite that every driver passes |\n" : ""}
## Settings

Those that [every service has](../../libs/runtime/README.md#settings), as \`SHOAL_${name.toUpperCase()}_…\`, with gRPC on ${grpcPort} and admin on
${grpcPort + 1_000}${references.length > 0 ? `, and:\n\n| variable | default | |\n|---|---|---|\n${references.map(({ service }) => `| \`SHOAL_${name.toUpperCase()}_${service.toUpperCase()}_ADDRESS\` | \`shoal:///${service}\` | the ${service} service: its instances as the registry names them, or \`HOST:PORT\` |\n`).join("")}` : ".\n"}`;
}
