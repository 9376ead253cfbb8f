import assert from "node:assert/strict";
import { test } from "node:test";
import { UserService } from "@shoal/contracts/user/v1/user_service";
import { createClient } from "./client/client.ts";
import { LivePolicies, livePolicies } from "./live-policies.ts";
import { createServer } from "./server/server.ts";

const get = "/shoal.user.v1.UserService/GetUser";
const list = "/shoal.user.v1.UserService/ListUsers";
const fine = () => {};

test("a change is seen by all who use the policies, from the next look on", () => {
  const policies = new LivePolicies({ [get]: { timeoutMs: 100 } });
  const [one, another] = [policies.use([UserService], fine), policies.use([UserService], fine)];
  const method = one.policies.get(get);
  assert.equal(method?.current.timeoutMs, 100);
  policies.replace({ [list]: { timeoutMs: 200 } });
  assert.equal(method?.current.timeoutMs, 5_000);
  assert.equal(another.policies.get(list)?.current.timeoutMs, 200);
  assert.equal(policies.use([UserService], fine).policies.get(list)?.current.timeoutMs, 200);
});

test("what somebody cannot use changes nothing for anybody", () => {
  const policies = new LivePolicies({ [get]: { timeoutMs: 100 } });
  const table = policies.use([UserService], fine);
  assert.throws(() => policies.replace({ "/shoal.user.v1.UserService/GetUsr": {} }), /there is no method .*GetUsr/);
  policies.use([UserService], (all) => {
    if ((all.get(get)?.timeoutMs ?? 0) > 1_000) throw new Error("GetUser may not take so long");
  });
  assert.throws(() => policies.replace({ [get]: { timeoutMs: 2_000 } }), /may not take so long/);
  assert.equal(table.policies.get(get)?.current.timeoutMs, 100);
  assert.deepEqual(policies.overrides, { [get]: { timeoutMs: 100 } });
});

test("what cannot be used at the start is refused, and leaves nobody behind", () => {
  const policies = new LivePolicies();
  const refuse = () => {
    throw new Error("no");
  };
  assert.throws(() => policies.use([UserService], refuse), /no/);
  policies.replace({ [get]: { timeoutMs: 1 } });
});

test("what does not change stays the same object, for what is counted by it", () => {
  const breaker = { kind: "throttle", options: { multiplier: 3 } } as const;
  const policies = new LivePolicies({ [get]: { breaker } });
  const box = policies.use([UserService], fine).policies.get(get);
  const before = box?.current;
  policies.replace({ [get]: { breaker: structuredClone(breaker) } });
  assert.equal(box?.current, before);
  policies.replace({ [get]: { breaker: structuredClone(breaker), timeoutMs: 1 } });
  assert.equal(box?.current.timeoutMs, 1);
  assert.equal(box?.current.breaker, breaker);
});

test("whoever has closed its table hears of no change and hinders none", () => {
  const policies = livePolicies({});
  const table = policies.use([UserService], fine);
  table.close();
  policies.replace({ [get]: { timeoutMs: 1 } });
  assert.equal(table.policies.get(get)?.current.timeoutMs, 5_000);
  assert.equal(livePolicies(policies), policies);
});

test("a client or server that could not be made hinders no change", () => {
  const policies = new LivePolicies();
  const tls = { caFile: "/there/is/no/such/file" };
  assert.throws(() => createClient(UserService, { address: "localhost:1", policies, tls }), /no such file/);
  const services = [{ service: UserService, handlers: {} }];
  assert.throws(() => createServer({ services, errorDomain: "shoal.test", policies }), /no handler for CreateUser/);
  // Larger than any that began could take.
  policies.replace({ [get]: { maxRequestBytes: 2 ** 25, maxResponseBytes: 2 ** 25 } });
});
