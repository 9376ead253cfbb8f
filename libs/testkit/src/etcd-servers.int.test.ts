import assert from "node:assert/strict";
import { test } from "node:test";
import { needsEtcd, startEtcd } from "./etcd-servers.ts";

const entry = { key: "a2V5", value: "dmFsdWU=" };

test("a private etcd keeps its data over a kill, and loses them when it starts empty", needsEtcd(), async (t) => {
  const etcd = await startEtcd(t);
  const count = async () => ((await etcd.call("/v3/kv/range", { key: entry.key })) as { count?: string }).count ?? "0";
  await etcd.call("/v3/kv/put", entry);
  assert.equal(await count(), "1");
  await etcd.kill();
  await assert.rejects(etcd.call("/v3/kv/range", { key: entry.key }));
  await etcd.start("kept");
  assert.equal(await count(), "1");
  await etcd.kill();
  await etcd.start("empty");
  assert.equal(await count(), "0");
});
