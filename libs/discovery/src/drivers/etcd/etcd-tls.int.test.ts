import assert from "node:assert/strict";
import { test } from "node:test";
import { createAuthority, needsEtcd, startEtcd, temporaryDirectory, until, writeTlsFiles } from "@shoal/testkit";
import { bareInstance } from "../../instance.ts";
import { type OpenRegistryOptions, openRegistry } from "../../open-registry.ts";
import { Recorder } from "../../recorder.contract.ts";

const one = bareInstance("order", "127.0.0.1:50053");

test("speaks TLS with an etcd that it can trust and that trusts it, and with no other", needsEtcd(), async (t) => {
  const authority = await createAuthority("etcd's");
  const own = await authority.issue({ commonName: "etcd" });
  const tls = await writeTlsFiles(await temporaryDirectory(t), "etcd", own, authority);
  const etcd = await startEtcd(t, { tls });
  const open = (scheme: string, options: Partial<OpenRegistryOptions>) => {
    const registry = openRegistry(`${scheme}://${etcd.address}`, { onProblem: () => {}, ...options });
    t.after(() => registry.close());
    return registry;
  };

  const { certificate: cert, key } = await authority.issue({ commonName: "order" });
  const registry = open("etcds", { tls: { ca: authority.certificate, cert, key } });
  // It listens before it has a leader.
  await until("it is announced", () => registry.register(one).then(() => true));
  const recorder = new Recorder();
  registry.watch("order", recorder);
  await recorder.untilAddresses(one.address);

  const stranger = await createAuthority("somebody else's");
  for (const [scheme, options, expected] of [
    ["etcds", {}, /etcds:.* cannot be used now: .*certificate/],
    ["etcds", { tls: { ca: stranger.certificate, cert, key } }, /etcds:.* cannot be used now: .*certificate/],
    ["etcds", { tls: { ca: authority.certificate } }, /etcds:.* cannot be used now: /],
    ["etcd", {}, /etcd:.* cannot be used now: /],
  ] as const)
    await assert.rejects(open(scheme, options).register(one), expected);
});
