import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readSettings } from "@shoal/config";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { createClient, implement } from "@shoal/rpc";
import { createLogger } from "@shoal/telemetry";
import { temporaryDirectory, until } from "@shoal/testkit";
import { serviceSettings } from "./service-settings.ts";
import { type ServiceDefinition, startService } from "./start-service.ts";

const log = createLogger("test", "fatal");
const settingsWith = (env: Record<string, string> = {}) =>
  readSettings("SHOAL_FIXTURE_", serviceSettings("fixture", 0), { SHOAL_FIXTURE_ADMIN_PORT: "0", ...env });
const get = async (port: number, path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).status;

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
  const port = await freePort();
  const starting = startService(
    { name: "fixture", build: () => release.promise.then(() => ({ services: [] })) },
    settingsWith({ SHOAL_FIXTURE_ADMIN_PORT: String(port) }),
    log,
  );
  while (!(await get(port, "/healthz").then(Boolean, () => false)));
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

async function freePort(): Promise<number> {
  const service = await startService({ name: "fixture", build: async () => ({ services: [] }) }, settingsWith(), log);
  await service.stop();
  return service.adminPort;
}

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
  const echo = implement(EchoService, {
    echo: async () => ({}),
    echoAgain: () => never,
    collect: async () => ({}),
    repeat: async function* () {},
    converse: async function* () {},
  });
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
    settingsWith({ SHOAL_FIXTURE_POLICIES_FILE: path, SHOAL_FIXTURE_GRPC_PORT: String(await freePort()) }),
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
