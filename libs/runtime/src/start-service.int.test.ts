import assert from "node:assert/strict";
import { test } from "node:test";
import { readSettings } from "@shoal/config";
import { createLogger } from "@shoal/telemetry";
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
