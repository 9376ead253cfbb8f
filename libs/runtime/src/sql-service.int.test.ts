import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { temporaryDirectory } from "@shoal/testkit";

/** A service with one table. */
const program = `
  import { databaseSettings, runService, serviceSettings, sqlService } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
  import { sql } from "kysely";
  await runService(sqlService({
    name: "fixture",
    migrations: [{ name: "0001-notes", statements: () => [sql\`create table if not exists notes (id integer)\`] }],
    build: async ({ database }) => {
      await sql\`select count(*) from notes\`.execute(database.db);
      return { services: [] };
    },
  }), { ...serviceSettings("fixture", 0), ...databaseSettings("fixture") });
`;

/** Runs it until it ends, or, where it takes calls, is told to. */
async function run(t: TestContext, databaseUrl: string, migrations: string): Promise<string> {
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", program], {
    cwd: import.meta.dirname,
    env: {
      ...process.env,
      SHOAL_FIXTURE_ADMIN_PORT: "0",
      SHOAL_FIXTURE_DATABASE_URL: databaseUrl,
      SHOAL_FIXTURE_MIGRATIONS: migrations,
    },
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  t.after(() => child.kill("SIGKILL"));
  child.once("message", () => child.kill("SIGTERM"));
  assert.ok(child.stdout);
  const [[code], log] = await Promise.all([once(child, "exit"), text(child.stdout)]);
  const last = JSON.parse(log.trimEnd().split("\n").at(-1) ?? "");
  return `${code}: ${last.msg}`;
}

test("a schema is brought up to date by the service itself, or by a run that does only that", async (t) => {
  const folder = await temporaryDirectory(t);
  const [one, other] = [`sqlite:${join(folder, "one.db")}`, `sqlite:${join(folder, "other.db")}`];
  assert.equal(await run(t, one, "apply"), "0: stopped");
  assert.equal(
    await run(t, other, "require"),
    '1: the database lacks 0001-notes, and SHOAL_FIXTURE_MIGRATIONS is "require": run the service once with SHOAL_FIXTURE_MIGRATIONS=only',
  );
  for (const _ of ["once", "again"]) assert.equal(await run(t, other, "only"), "0: the database is up to date");
  assert.equal(await run(t, other, "require"), "0: stopped");
});

test("a run for the migrations alone fails where they do", async (t) => {
  assert.match(await run(t, "sqlite:/dev/null/no.db", "only"), /^1: /);
});
