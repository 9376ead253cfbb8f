import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { readSettings } from "@shoal/config";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { createClient, implement, type ServiceHandlers } from "@shoal/rpc";
import { createLogger } from "@shoal/telemetry";
import { lastingPort, temporaryDirectory, until } from "@shoal/testkit";
import { serviceSettings } from "./service-settings.ts";
import { type ServiceDefinition, startService } from "./start-service.ts";

const log = createLogger("test", "fatal");
const settingsWith = (env: Record<string, string> = {}) =>
  readSettings("SHOAL_FIXTURE_", serviceSettings("fixture", 0), { SHOAL_FIXTURE_ADMIN_PORT: "0", ...env });
const get = async (port: number, path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).status;

const unused = () => Promise.reject(new Error("not called here"));
/** Handlers of a service whose other methods are not called. */
const echoWith = (handlers: Partial<ServiceHandlers<typeof EchoService>>) =>
  implement(EchoService, {
    echo: unused,
    echoAgain: unused,
    collect: unused,
    repeat: async function* () {},
    converse: async function* () {},
    ...handlers,
  });

test("is healthy while it starts, ready once it takes calls, and gone when stopped", async () => {
  const ended: string[] = [];
  const definition: ServiceDefinition<ReturnType<typeof settingsWith>> = {
    name: "fixture",
    build: async ({ lifecycle }) => {
      lifecycle.onStop("part", () => ended.push("part"));
      return { services: [] };
    },
  };
  const service = await startService(definition, settingsWith(), log);
  assert.deepEqual([await get(service.adminPort, "/healthz"), await get(service.adminPort, "/readyz")], [200, 200]);
  assert.equal(await get(service.adminPort, "/nothing"), 404);
  await service.stop();
  assert.deepEqual(ended, ["part"]);
  await assert.rejects(get(service.adminPort, "/healthz"));
});

test("is not ready while its parts are being built", async () => {
  const release = Promise.withResolvers<void>();
  const port = await lastingPort();
  const starting = startService(
    { name: "fixture", build: () => release.promise.then(() => ({ services: [] })) },
    settingsWith({ SHOAL_FIXTURE_ADMIN_PORT: String(port) }),
    log,
  );
  await until("it answers", () => get(port, "/healthz"));
  assert.deepEqual([await get(port, "/healthz"), await get(port, "/readyz")], [200, 503]);
  release.resolve();
  const service = await starting;
  assert.equal(await get(port, "/readyz"), 200);
  await service.stop();
});

test("a port that is in use is named with the setting that changes it, and nothing is left running", async () => {
  const first = await startService({ name: "fixture", build: async () => ({ services: [] }) }, settingsWith(), log);
  const ended: string[] = [];
  const start = (env: Record<string, string>) =>
    startService(
      {
        name: "fixture",
        build: async ({ lifecycle }) => {
          lifecycle.onStop("part", () => ended.push("part"));
          return { services: [] };
        },
      },
      settingsWith(env),
      log,
    );
  await assert.rejects(
    start({ SHOAL_FIXTURE_GRPC_PORT: String(first.grpcPort) }),
    new RegExp(`port ${first.grpcPort} is in use by another program; .* SHOAL_FIXTURE_GRPC_PORT`),
  );
  assert.deepEqual(ended, ["part"]);
  await assert.rejects(
    start({ SHOAL_FIXTURE_ADMIN_PORT: String(first.adminPort) }),
    new RegExp(`port ${first.adminPort} is in use by another program; .* SHOAL_FIXTURE_ADMIN_PORT`),
  );
  await first.stop();
});

test("serves with the policies that its settings have otherwise than the contracts, and says so", async () => {
  const lines: string[] = [];
  const spy = createLogger("fixture", "info", { write: (line) => lines.push(line) });
  const check = "/grpc.health.v1.Health/Check";
  const set = (policy: string) => settingsWith({ SHOAL_FIXTURE_POLICIES: `{"${check}": ${policy}}` });
  const service = await startService(
    { name: "fixture", build: async () => ({ services: [] }) },
    set('{"timeout": "1s"}'),
    spy,
  );
  assert.match(lines.join(""), /policies that are set otherwise than the contracts/);
  await service.stop();
  // That they reach the server is seen by one that it cannot use.
  const guarded = startService(
    { name: "fixture", build: async () => ({ services: [] }) },
    set('{"authorization": {}}'),
    spy,
  );
  await assert.rejects(guarded, /Health\/Check asks for authorization/);
});

test("keeps to a file of policies as it changes, in what it serves and in what it calls", async (t) => {
  const path = join(await temporaryDirectory(t), "policies.json");
  const set = (policy: object) =>
    writeFileSync(path, JSON.stringify({ "/shoal.echo.v1.EchoService/Echo": policy, ...others }));
  const others = { "/shoal.echo.v1.EchoService/EchoAgain": { timeout: "0.05s" } };
  set({});
  const never = new Promise<never>(() => {});
  const echo = echoWith({ echo: async () => ({}), echoAgain: () => never });
  let calls: ReturnType<typeof createClient<typeof EchoService>> | undefined;
  const service = await startService(
    {
      name: "fixture",
      build: async ({ clientOptions, lifecycle, settings }) => {
        // It calls itself: it has the policies of both sides.
        const client = createClient(EchoService, { ...clientOptions, address: `127.0.0.1:${settings.grpcPort}` });
        lifecycle.onStop("client", () => client[Symbol.dispose]());
        calls = client;
        return { services: [echo] };
      },
    },
    settingsWith({ SHOAL_FIXTURE_POLICIES_FILE: path, SHOAL_FIXTURE_GRPC_PORT: String(await lastingPort()) }),
    log,
  );
  t.after(() => service.stop());
  const isRefused = () =>
    calls?.echo({}).then(
      () => false,
      ({ reason }) => reason === "RATE_LIMITED",
    );
  assert.equal(await isRefused(), false);
  await assert.rejects(calls?.echoAgain({}) ?? never, { kind: "timeout" });
  set({ rateLimits: [{ callsPerSecond: 0.001 }] });
  await until("calls are refused", isRefused);
  set({});
  await until("calls are answered", async () => !(await isRefused()));
});

test("a file of policies that is no good is named with the setting that names it", async () => {
  const settings = settingsWith({ SHOAL_FIXTURE_POLICIES_FILE: "/nowhere/policies.json" });
  await assert.rejects(startService({ name: "fixture", build: async () => ({ services: [] }) }, settings, log), {
    message:
      "policies from the file /nowhere/policies.json: there is no such file; " +
      "mend it, or set SHOAL_FIXTURE_POLICIES_FILE to another file, or to none",
  });
});

/** 100 calls at once of a service that lets them end when it is told to: what has become of them, and what it has logged. */
async function flood(t: TestContext, env: Record<string, string>) {
  const lines: { readonly level: string; readonly msg: string; readonly priority?: string }[] = [];
  const spy = createLogger("fixture", "info", { write: (line) => void lines.push(JSON.parse(line)) });
  const held = Promise.withResolvers<object>();
  const calls = { entered: 0, answered: 0, refused: 0 };
  const echo = echoWith({
    echo: () => {
      calls.entered += 1;
      return held.promise;
    },
  });
  const service = await startService(
    { name: "fixture", build: async () => ({ services: [echo] }) },
    settingsWith(env),
    spy,
  );
  const client = createClient(EchoService, { address: `127.0.0.1:${service.grpcPort}` });
  t.after(async () => {
    client[Symbol.dispose]();
    held.resolve({});
    await service.stop();
  });
  for (let n = 0; n < 100; n += 1)
    client.echo({}, { timeoutMs: 60_000 }).then(
      () => (calls.answered += 1),
      ({ reason }) => (calls.refused += reason === "OVERLOADED" ? 1 : 0),
    );
  return { calls, lines, release: () => held.resolve({}) };
}

test("refuses what there is too much of, and logs when it begins to and when it no longer does", async (t) => {
  const { calls, lines, release } = await flood(t, {});
  await until("the others are refused", () => calls.entered > 0 && calls.entered + calls.refused === 100);
  assert.ok(calls.entered < 100, `${calls.entered} calls are at work`);
  const logged = lines.find(({ msg }) => msg === "there is too much to do: calls are refused");
  assert.deepEqual([logged?.level, logged?.priority], ["warn", "default"]);
  release();
  await until("those at work are answered", () => calls.answered === calls.entered);
  await until("it is over", () =>
    lines.some(({ level, msg }) => level === "info" && msg === "calls are refused no more"),
  );
});

test("refuses nothing for want of time where its settings say so", async (t) => {
  const { calls, lines, release } = await flood(t, { SHOAL_FIXTURE_LOAD_SHEDDING: "off" });
  await until("all are at work", () => calls.entered === 100);
  release();
  await until("all are answered", () => calls.answered === 100);
  assert.deepEqual(
    lines.filter(({ msg }) => msg !== "call"),
    [],
  );
});
