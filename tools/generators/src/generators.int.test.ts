import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { appendFile, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, type TestContext, test } from "node:test";
import { anyPorts } from "@shoal/launcher";
import { repositoryRoot } from "@shoal/services";
import {
  childEnvironment,
  copyRepository,
  type RepositoryCopy,
  startOtlpReceiver,
  temporaryDirectory,
  until,
} from "@shoal/testkit";

suite("two services, one calling the other", () => {
  let copy: RepositoryCopy;
  let end: () => unknown;
  before(async () => {
    copy = await copyRepository({ after: (ending) => (end = ending) }, repositoryRoot);
  });
  after(() => end());
  const methods = "CreateStroll,GetStroll,ListStrolls,DeleteStroll";

  test("a dry run tells what would be written, and what cannot be is refused; both change nothing", async () => {
    const planned = await generate(copy, "service", "stroll", "--calls", "user", "--dry-run");
    for (const file of ["CREATE apps/stroll/src/service.ts", "UPDATE deploy/compose/services.yml"])
      assert.ok(planned.includes(file), planned);
    await assert.rejects(generate(copy, "service", "user"), /there is a service user already/);
    assert.deepEqual(await copy.changes(), []);
  });

  test("their code passes its own tests, unedited", async () => {
    await generate(copy, "service", "stroll", "--calls", "user", "--methods", methods);
    await generate(
      copy,
      "service",
      "plaque",
      "--calls",
      "stroll,inventory",
      "--storage",
      "none",
      "--methods",
      "PrintPlaque",
    );
    const tested = await copy.run("npm", ["test", "--silent", "--", "-p", "stroll,plaque"], 200_000);
    assert.match(tested, /^\d+ passed, 0 failed, \d+ skipped$/m, tested);
  });

  test("they run with the others, are found, checked, measured and traced", (t) => runAndCall(t, copy));

  test("a method that is added has a test that fails until it is written", async () => {
    await generate(copy, "rpc", "stroll", "StampStroll");
    const testing = copy.run("node", ["--test", "apps/stroll/src/stamp-stroll.test.ts"]);
    await assert.rejects(testing, /StampStroll is not written yet: write apps\/stroll\/src\/stamp-stroll.ts/);
  });

  test("nothing is added to a contract that does not compile", async () => {
    const path = join(copy.root, "proto/shoal/stroll/v1/stroll_service.proto");
    const contract = await readFile(path, "utf8");
    await writeFile(path, contract.replace("service StrollService {", "service StrollService"));
    const before = await copy.changes();
    await assert.rejects(
      generate(copy, "rpc", "stroll", "MendStroll"),
      /the contracts must compile first:[\s\S]*stroll_service/,
    );
    assert.deepEqual(await copy.changes(), before);
    await writeFile(path, contract);
  });

  test("all of that passes the checks of the repository", async () => {
    await copy.run("npm", ["run", "--silent", "check"], 200_000);
  });

  test("a service that is called stays; in the end all is as it was, and what git has not is kept elsewhere", async () => {
    await assert.rejects(generate(copy, "remove-service", "stroll"), /stroll is called by plaque: that must end first/);
    await appendFile(join(copy.root, "apps/plaque/src/handlers.ts"), "// by hand\n");
    const said = await generate(copy, "remove-service", "plaque");
    const kept = /^What was not committed of it is in (\S+)\.$/m.exec(said)?.[1] ?? assert.fail(said);
    assert.match(await readFile(join(copy.root, kept, "apps/plaque/src/handlers.ts"), "utf8"), /\/\/ by hand\n$/);
    assert.ok(existsSync(join(copy.root, kept, "proto/shoal/plaque/v1/plaque_service.proto")));
    const git = join(copy.root, ".git");
    await rename(git, `${git}-away`);
    const planned = await generate(copy, "remove-service", "stroll", "--dry-run");
    assert.match(
      planned,
      /^CREATE \.shoal\/removed\/\S+\/apps\/stroll\/src\/stamp-stroll\.ts/m,
      "where there is no git",
    );
    await rename(`${git}-away`, git);
    await generate(copy, "remove-service", "stroll");
    assert.deepEqual(await copy.changes(), []);
  });
});

/** `npx nx g …`, as a person calls it; answers what it prints. */
async function generate(copy: RepositoryCopy, ...args: readonly string[]): Promise<string> {
  return await copy.run("npx", ["nx", "g", ...args, "--no-interactive"]);
}

/** Starts all, two instances of one of the new services among them, and calls them. */
async function runAndCall(t: TestContext, copy: RepositoryCopy): Promise<void> {
  const collector = await startOtlpReceiver(t);
  const ports = ["STROLL", "PLAQUE"].flatMap((name) => [`SHOAL_${name}_GRPC_PORT`, `SHOAL_${name}_ADMIN_PORT`]);
  const child = spawn("npm", ["start", "--", "--scale", "stroll=2"], {
    cwd: copy.root,
    env: {
      ...childEnvironment(copy.root),
      ...anyPorts,
      ...Object.fromEntries(ports.map((name) => [name, "0"])),
      ...collector.environment,
      OTEL_TRACES_SAMPLER: "always_on",
      SHOAL_HOME: await temporaryDirectory(t),
    },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const ended = once(child, "close");
  const stop = (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-(child.pid ?? 0), signal);
  };
  t.after(async () => {
    stop("SIGTERM");
    await ended;
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
  await until("shoal is ready", () => output.includes("shoal is ready") || child.exitCode !== null, 60_000);
  const addressesOf = (name: string) => {
    const [, grpc, admin] = new RegExp(`^${name} +(\\S+:\\d+) +(http://\\S+:\\d+) +\\d+$`, "m").exec(output) ?? [];
    return { grpc: grpc ?? assert.fail(`${name} is not in:\n${output}`), admin: admin ?? "" };
  };
  const call = async (service: string, method: string, request: object) => {
    const url = `http://${addressesOf(service).grpc}/${method}`;
    const flags = ["--protocol", "grpc", "--http2-prior-knowledge", "-d", JSON.stringify(request)];
    return JSON.parse(await copy.run("buf", ["curl", ...flags, url]));
  };

  const { user } = await call("user", "shoal.user.v1.UserService/CreateUser", {
    email: "a@example.org",
    displayName: "Ada",
  });
  const { stroll } = await call("stroll", "shoal.stroll.v1.StrollService/CreateStroll", {
    displayName: "first",
    userId: user.id,
  });
  assert.equal(stroll.userId, user.id);
  await call("inventory", "shoal.inventory.v1.InventoryService/CreateProduct", {
    sku: "TEA-1",
    name: "Green tea",
    price: { minorUnits: "450", currency: "EUR" },
  });
  const plaque = { displayName: "b", strollId: stroll.id, sku: "TEA-1" };
  for (let n = 0; n < 20; n += 1)
    assert.ok((await call("plaque", "shoal.plaque.v1.PlaqueService/CheckPlaque", plaque)).checkTime);
  const checking = call("plaque", "shoal.plaque.v1.PlaqueService/CheckPlaque", { ...plaque, strollId: user.id });
  await assert.rejects(checking, /not_found[\s\S]*there is no stroll/);
  const printing = call("plaque", "shoal.plaque.v1.PlaqueService/PrintPlaque", { displayName: "b" });
  await assert.rejects(printing, /PrintPlaque is in the contract, but is not written yet/);

  for (const instance of ["stroll", "stroll-2"])
    assert.deepEqual(await call(instance, "shoal.stroll.v1.StrollService/GetStroll", { strollId: stroll.id }), {
      stroll,
    });
  for (const name of ["stroll", "stroll-2", "plaque"]) {
    assert.equal((await call(name, "grpc.health.v1.Health/Check", {})).status, "SERVING");
    const { admin } = addressesOf(name);
    assert.equal((await fetch(`${admin}/readyz`)).status, 200);
    const method =
      name === "plaque" ? "shoal.plaque.v1.PlaqueService/CheckPlaque" : "shoal.stroll.v1.StrollService/GetStroll";
    const metrics = await (await fetch(`${admin}/metrics`)).text();
    const line = new RegExp(
      `^rpc_server_call_duration_seconds_count\\{.*rpc_method="${method}".*"OK".*\\} (\\d+)`,
      "m",
    );
    assert.ok(Number(line.exec(metrics)?.[1]) > 0, `${name} has taken calls`);
  }
  await until("a call's trace goes through three services", () => {
    const traces = Map.groupBy(collector.spans, ({ traceId }) => traceId);
    return [...traces.values()].some((spans) => {
      const seen = new Set(spans.map(({ service }) => service));
      return seen.has("plaque") && seen.has("stroll") && spans.some(({ name }) => name === "SELECT strolls");
    });
  });
  stop("SIGINT");
  assert.equal((await ended)[0], 0, output);
}
