import { sentence } from "../names.ts";
import type { ServicePlan } from "./plan.ts";
import { samplesOf } from "./samples.ts";

/** The files of `src/store/`, by their paths there. */
export function storeFiles(plan: ServicePlan): Readonly<Record<string, string>> {
  return {
    "migrations.ts": migrations(plan),
    [`sql-${plan.name}-store.ts`]: sqlStore(plan),
    [`${plan.name}-store.contract.ts`]: storeContract(plan),
    [`sql-${plan.name}-store.int.test.ts`]: sqlStoreTest(plan),
  };
}

/** The columns of its table, with what they are in SQL, in TypeScript, and in the domain. */
function columns({ name, references }: ServicePlan) {
  return [
    { column: "id", sql: "${key} not null primary key", type: "string", to: `${name}.id`, from: "row.id", field: "id" },
    {
      column: "display_name",
      sql: "${text(100)} not null",
      type: "string",
      to: `${name}.displayName`,
      from: "row.display_name",
      field: "displayName",
    },
    ...references.map(({ protoField, field, isUuid }) => ({
      column: protoField,
      sql: `${isUuid ? "${key}" : "${text(255)}"} not null`,
      type: "string",
      to: `${name}.${field}`,
      from: `row.${protoField}`,
      field,
    })),
    {
      column: "created_at_ms",
      sql: "${bigint} not null",
      type: "bigint",
      to: `BigInt(${name}.createdAtMs)`,
      from: "Number(row.created_at_ms)",
      field: "createdAtMs",
    },
  ];
}

function migrations(plan: ServicePlan): string {
  const { name, plural } = plan;
  const words = ["key", "text", "bigint", "tableOptions"];
  return `import type { Migration } from "@shoal/storage";
import { sql } from "kysely";

/**
 * The history of the ${name} service's schema. What has run somewhere is never changed, but followed by another: a database knows
 * a migration by its name, and does not run it again. On your own machine, \`npm start -- --fresh\` begins anew.
 */
export const migrations: readonly Migration[] = [
  {
    name: "0001-${plural}",
    statements: ({ ${words.join(", ")} }) => [
      sql\`create table if not exists \${sql.table("${plural}")} (
${columns(plan)
  .map(({ column, sql }) => `        ${column} ${sql}`)
  .join(",\n")}
      ) \${tableOptions}\`,
    ],
  },
];
`;
}

function sqlStore(plan: ServicePlan): string {
  const { name, entity, plural, lists, deletes } = plan;
  return `import type { Database } from "@shoal/storage";
import type { Selectable } from "kysely";
import type { ${entity} } from "../domain/${name}.ts";
import type { ${entity}Store } from "../domain/${plural}.ts";

/** The tables of the ${name} service. */
export interface ${entity}Tables {
  ${plural}: {
${columns(plan)
  .map(({ column, type }) => `    ${column}: ${type};\n`)
  .join("")}  };
}

/** ${sentence(plural)} in SQL. The caller closes the database. */
export function createSql${entity}Store({ db }: Pick<Database<${entity}Tables>, "db">): ${entity}Store {
  return {
    insert: async (${name}) => {
      await db.insertInto("${plural}").values(toRow(${name})).execute();
    },

    find: async (id) => {
      const row = await db.selectFrom("${plural}").selectAll().where("id", "=", id).executeTakeFirst();
      return row && fromRow(row);
    },
${
  lists
    ? `
    list: async (after, limit) => {
      const page = db.selectFrom("${plural}").selectAll().where("id", ">", after).orderBy("id").limit(limit);
      return (await page.execute()).map(fromRow);
    },
`
    : ""
}${
  deletes
    ? `
    delete: async (id) => {
      await db.deleteFrom("${plural}").where("id", "=", id).execute();
    },
`
    : ""
}  };
}

function toRow(${name}: ${entity}): ${entity}Tables["${plural}"] {
  return {
${columns(plan)
  .map(({ column, to }) => `    ${column}: ${to},\n`)
  .join("")}  };
}

function fromRow(row: Selectable<${entity}Tables["${plural}"]>): ${entity} {
  return {
${columns(plan)
  .map(({ field, from }) => `    ${field}: ${from},\n`)
  .join("")}  };
}
`;
}

function storeContract(plan: ServicePlan): string {
  const { name, entity, plural, references, lists, deletes } = plan;
  const samples = samplesOf(references);
  return `import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { ${entity} } from "../domain/${name}.ts";
import type { ${entity}Store } from "../domain/${plural}.ts";

const one: ${entity} = {
  id: "0190a000-0000-7000-8000-000000000001",
  displayName: "Łódź 🧮",
${references.map(({ field }, index) => `  ${field}: "${samples[index]}",\n`).join("")}  createdAtMs: 1_700_000_000_123,
};
const other: ${entity} = { ...one, id: "0190a000-0000-7000-8000-000000000002", displayName: "other" };

/** What every {@link ${entity}Store} does. \`open\` answers an empty one that lives as long as the test. */
export function ${name}StoreContract(
  driver: string,
  open: (t: TestContext) => Promise<${entity}Store>,
  options: { readonly skip?: string },
): void {
  const it = (does: string, run: (store: ${entity}Store) => Promise<void>) =>
    test(\`\${driver} ${name} store \${does}\`, options, async (t) => run(await open(t)));

  it("gives back what was put in, and nothing else", async (store) => {
    await store.insert(one);
    assert.deepEqual(await store.find(one.id), one);
    assert.equal(await store.find(other.id), undefined);
  });

  it("refuses a second ${name} of the same id, and keeps the first", async (store) => {
    await store.insert(one);
    await assert.rejects(store.insert({ ...other, id: one.id }));
    assert.deepEqual(await store.find(one.id), one);
  });
${
  lists
    ? `
  it("lists by id, page by page", async (store) => {
    await store.insert(other);
    await store.insert(one);
    assert.deepEqual(await store.list("", 1), [one]);
    assert.deepEqual(await store.list(one.id, 10), [other]);
    assert.deepEqual(await store.list(other.id, 10), []);
  });
`
    : ""
}${
  deletes
    ? `
  it("deletes the one it is asked to, however often", async (store) => {
    await store.insert(one);
    await store.insert(other);
    for (const _ of ["once", "again"]) await store.delete(one.id);
    assert.equal(await store.find(one.id), undefined);
    assert.deepEqual(await store.find(other.id), other);
  });
`
    : ""
}}
`;
}

function sqlStoreTest({ name, entity }: ServicePlan): string {
  return `import { migrate, openDatabase } from "@shoal/storage";
import { storageEngines } from "@shoal/testkit";
import { migrations } from "./migrations.ts";
import { createSql${entity}Store, type ${entity}Tables } from "./sql-${name}-store.ts";
import { ${name}StoreContract } from "./${name}-store.contract.ts";

for (const { name, createDatabase, options } of storageEngines)
  ${name}StoreContract(
    name,
    async (t) => {
      const database = openDatabase<${entity}Tables>(await createDatabase(t));
      t.after(() => database.close());
      await migrate(database, migrations);
      return createSql${entity}Store(database);
    },
    options,
  );
`;
}
