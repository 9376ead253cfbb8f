import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
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
  const methods = "CreateVisit,GetVisit,ListVisits,DeleteVisit";

  test("a dry run tells what would be written, and what cannot be is refused; both change nothing", async () => {
    const planned = await generate(copy, "service", "visit", "--calls", "user", "--dry-run");
    for (const file of ["CREATE apps/visit/src/service.ts", "UPDATE deploy/compose/services.yml"])
      assert.ok(planned.includes(file), planned);
    await assert.rejects(generate(copy, "service", "user"), /there is a service user already/);
    assert.deepEqual(await copy.changes(), []);
  });

  test("their code passes its own tests, unedited", async () => {
    await generate(copy, "service", "visit", "--calls", "user", "--methods", methods);
    await generate(
      copy,
      "service",
      "badge",
      "--calls",
      "visit,inventory",
      "--storage",
      "none",
      "--methods",
      "PrintBadge",
    );
    const tested = await copy.run("npm", ["test", "--silent", "--", "-p", "visit,badge"], 200_000);
    assert.match(tested, /^\d+ passed, 0 failed, \d+ skipped$/m, tested);
  });

  test("they run with the others, are found, checked, measured and traced", (t) => runAndCall(t, copy));

  test("a method that is added has a test that fails until it is written", async () => {
    await generate(copy, "rpc", "visit", "StampVisit");
    const testing = copy.run("node", ["--test", "apps/visit/src/stamp-visit.test.ts"]);
    await assert.rejects(testing, /StampVisit is not written yet: write apps\/visit\/src\/stamp-visit.ts/);
  });

  test("all of that passes the checks of the repository", async () => {
    await copy.run("npm", ["run", "--silent", "check"], 200_000);
  });

  test("a service that is called stays; in the end all is as it was", async () => {
    await assert.rejects(generate(copy, "remove-service", "visit"), /visit is called by badge: that must end first/);
    await generate(copy, "remove-service", "badge");
    await generate(copy, "remove-service", "visit");
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
  const ports = ["VISIT", "BADGE"].flatMap((name) => [`SHOAL_${name}_GRPC_PORT`, `SHOAL_${name}_ADMIN_PORT`]);
  const child = spawn("npm", ["start", "--", "--scale", "visit=2"], {
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
  const { visit } = await call("visit", "shoal.visit.v1.VisitService/CreateVisit", {
    displayName: "first",
    userId: user.id,
  });
  assert.equal(visit.userId, user.id);
  await call("inventory", "shoal.inventory.v1.InventoryService/CreateProduct", {
    sku: "TEA-1",
    name: "Green tea",
    price: { minorUnits: "450", currency: "EUR" },
  });
  const badge = { displayName: "b", visitId: visit.id, sku: "TEA-1" };
  for (let n = 0; n < 20; n += 1)
    assert.ok((await call("badge", "shoal.badge.v1.BadgeService/CheckBadge", badge)).checkTime);
  const checking = call("badge", "shoal.badge.v1.BadgeService/CheckBadge", { ...badge, visitId: user.id });
  await assert.rejects(checking, /not_found[\s\S]*there is no visit/);
  const printing = call("badge", "shoal.badge.v1.BadgeService/PrintBadge", { displayName: "b" });
  await assert.rejects(printing, /PrintBadge is in the contract, but is not written yet/);

  for (const instance of ["visit", "visit-2"])
    assert.deepEqual(await call(instance, "shoal.visit.v1.VisitService/GetVisit", { visitId: visit.id }), { visit });
  for (const name of ["visit", "visit-2", "badge"]) {
    assert.equal((await call(name, "grpc.health.v1.Health/Check", {})).status, "SERVING");
    const { admin } = addressesOf(name);
    assert.equal((await fetch(`${admin}/readyz`)).status, 200);
    const method = name === "badge" ? "shoal.badge.v1.BadgeService/CheckBadge" : "shoal.visit.v1.VisitService/GetVisit";
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
      return seen.has("badge") && seen.has("visit") && spans.some(({ name }) => name === "SELECT visits");
    });
  });
  stop("SIGINT");
  assert.equal((await ended)[0], 0, output);
}
