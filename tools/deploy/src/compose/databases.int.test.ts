import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type TestContext, test } from "node:test";
import type { ServiceSpec, Services } from "@shoal/services";
import { databaseServer, needsDatabaseServer } from "@shoal/testkit";
import { type Connection, createConnection } from "mysql2/promise";
import { databaseName, databasesSql, passwordsSql } from "./databases.ts";

/** Two services that keep state, with names that nobody else's databases have, and one that keeps none. */
function twoAndOne(): Services & { readonly one: string; readonly other: string; readonly stateless: string } {
  const [one = "", other = "", stateless = ""] = ["a", "b", "c"].map(
    (letter) => letter + randomBytes(5).toString("hex"),
  );
  const spec = (name: string, storage: ServiceSpec["storage"]) => ({
    name,
    entry: "",
    grpcPort: 1,
    calls: [],
    storage,
  });
  const services = [spec(one, "sql"), spec(other, "sql"), spec(stateless, "none")];
  return { services, gateway: spec("door", "none"), one, other, stateless };
}

async function connect(t: TestContext, url: string): Promise<Connection> {
  const connection = await createConnection(url);
  t.after(() => connection.end());
  return connection;
}

/** The server's root, at `server`. After the test the databases and users of the list are dropped. */
async function connectRoot(t: TestContext, server: string, { services }: Services): Promise<Connection> {
  const root = await createConnection(server);
  t.after(async () => {
    for (const name of services.map((service) => databaseName(service.name))) {
      await root.query(`drop database if exists ${name}`);
      await root.query(`drop user if exists ${name}`);
    }
    await root.end();
  });
  return root;
}

/** Runs what Compose would run, with this password for all. */
async function run(root: Connection, services: Services, password: string): Promise<void> {
  const sql = databasesSql(services) + passwordsSql(services).replaceAll(/\$\{[^}]*\}/g, password);
  for (const line of sql.split("\n")) if (line !== "" && !line.startsWith("--")) await root.query(line);
}

test(
  "each user may do what its service does, in its own database, however often it is run",
  needsDatabaseServer(),
  async (t) => {
    const server = (await databaseServer()) ?? "";
    const list = twoAndOne();
    const root = await connectRoot(t, server, list);
    const [mine, others] = [databaseName(list.one), databaseName(list.other)];
    const urlWith = (password: string) =>
      Object.assign(new URL(server), { username: mine, password, pathname: mine }).href;

    await run(root, list, "first");
    const user = await connect(t, urlWith("first"));
    await user.query("create table things (id int primary key)");
    await user.query("alter table things add column name varchar(10), add index by_name (name)");
    await user.query("insert into things values (1, 'one')");

    await run(root, list, "second");
    await assert.rejects(createConnection(urlWith("first")), { code: "ER_ACCESS_DENIED_ERROR" });
    const again = await connect(t, urlWith("second"));
    await again.query("update things set name = 'two'");
    assert.deepEqual((await again.query("select id, name from things"))[0], [{ id: 1, name: "two" }]);
    await again.query("delete from things");

    for (const denied of [
      "drop table things",
      `drop database ${mine}`,
      `create table ${others}.things (id int)`,
      // The underscore of a grant that is not escaped would let the user in here.
      `create database ${mine.replace("_", "x")}`,
      `create table ${mine.replace("_", "x")}.things (id int)`,
      "create user somebody",
      "create trigger changed before insert on things for each row set new.id = 1",
      "select user from mysql.user",
      "set global max_connections = 1",
    ])
      await assert.rejects(again.query(denied), /denied/, denied);

    const [databases] = await root.query(`show databases like 'shoal%${list.stateless}'`);
    assert.deepEqual(databases, []);
  },
);

test("a user whose password has not been set is kept out", needsDatabaseServer(), async (t) => {
  const server = (await databaseServer()) ?? "";
  const list = twoAndOne();
  const root = await connectRoot(t, server, list);
  const names = [databaseName(list.one), databaseName(list.other)];
  for (const line of databasesSql(list).split("\n")) if (line !== "" && !line.startsWith("--")) await root.query(line);
  for (const name of names)
    await assert.rejects(
      createConnection(Object.assign(new URL(server), { username: name, password: "" }).href),
      /locked|denied/,
    );
});
