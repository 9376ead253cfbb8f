import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { readServices } from "./read-services.ts";
import { services } from "./services.ts";

/** A repository with such apps. */
async function repository(t: TestContext, apps: Readonly<Record<string, object>>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "shoal-services-"));
  t.after(() => rm(root, { recursive: true, force: true }));
  for (const [name, shoal] of Object.entries(apps)) {
    await mkdir(join(root, "apps", name), { recursive: true });
    await writeFile(join(root, "apps", name, "package.json"), JSON.stringify({ name, shoal }));
  }
  return root;
}

const door = { grpcPort: 50_000, calls: "*", storage: "none" };
const service = (grpcPort: number, ...calls: string[]) => ({ grpcPort, calls, storage: "sql" });

test("services come before those who call them, else by port, and the gateway calls all", async (t) => {
  const root = await repository(t, { door, z: service(1), a: service(2, "c"), c: service(3), d: service(4, "a", "z") });
  const { services, gateway } = readServices(root);
  assert.deepEqual(
    services.map(({ name }) => name),
    ["z", "c", "a", "d"],
  );
  assert.deepEqual(services.at(-1), {
    name: "d",
    entry: join(root, "apps/d/src/main.ts"),
    grpcPort: 4,
    calls: ["a", "z"],
    storage: "sql",
  });
  assert.deepEqual([gateway.name, gateway.calls], ["door", ["z", "c", "a", "d"]]);
});

test("an app that says nothing of itself is no service", async (t) => {
  const root = await repository(t, { door, a: service(1) });
  await writeFile(join(root, "apps/door/../a/package.json"), "{}");
  assert.deepEqual(readServices(root).services, []);
});

const refused: readonly (readonly [what: string, apps: Record<string, object>, message: RegExp])[] = [
  ["a port that is no port", { door, a: service(70_000) }, /^apps\/a\/package.json: "shoal" needs a "grpcPort"/],
  [
    "a port of another",
    { door, a: service(1), b: service(1) },
    /^apps\/b\/package.json: port 1 is that of a already: one of them needs another grpcPort$/,
  ],
  ["another's admin port", { door, a: service(1_001), b: service(1) }, /port 1001 is that of a already/],
  [
    "calls that are no list",
    { door, a: { ...service(1), calls: "b" } },
    /^apps\/a\/package.json: "shoal" needs "calls"/,
  ],
  [
    "a storage that is none",
    { door, a: { ...service(1), storage: "s3" } },
    /^apps\/a\/package.json: "shoal" needs "st/,
  ],
  [
    "a callee that is not there",
    { door, a: service(1, "b") },
    /^apps\/a\/package.json: there is no service b to call$/,
  ],
  ["a circle", { door, a: service(1, "b"), b: service(2, "a") }, /in a circle: a → b → a$/],
  ["no gateway", { a: service(1) }, /the gateway's$/],
  ["two gateways", { door, other: { ...door, grpcPort: 2 } }, /the gateway's$/],
];
for (const [what, apps, message] of refused)
  test(`${what} is refused`, async (t) => {
    const root = await repository(t, apps);
    assert.throws(() => readServices(root), { message });
  });

test("Shoal's own are read", () => {
  const ports = new Map(services.map(({ name, grpcPort }) => [name, grpcPort]));
  assert.deepEqual([ports.get("user"), ports.get("inventory"), ports.get("order")], [50_051, 50_052, 50_053]);
});
