import assert from "node:assert/strict";
import { test } from "node:test";
import { needsDatabaseServer } from "./database-servers.ts";

test("a test that needs a database server is skipped, with the reason, in a run that has none", (t) => {
  const before = { ...process.env };
  t.after(() => {
    process.env = before;
  });
  delete process.env["SHOAL_TEST_MYSQL_URL"];
  process.env["SHOAL_TEST_MYSQL"] = "absent";
  assert.match(needsDatabaseServer().skip ?? "", /no MySQL-protocol server/);
  process.env["SHOAL_TEST_MYSQL_URL"] = "mysql://root:pw@127.0.0.1:1";
  assert.deepEqual(needsDatabaseServer(), {});
});
