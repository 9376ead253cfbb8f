import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { suite, test } from "node:test";
import { temporaryDirectory, until } from "@shoal/testkit";
import { bufCurl, paste } from "./buf-curl.ts";
import { npmStart, untilServicesGone } from "./npm-start.ts";

suite("npm start", { concurrency: 2 }, () => {
  test("an order placed with buf curl outlives a restart, and not a fresh start", async (t) => {
    const home = await temporaryDirectory(t);
    const first = npmStart(t, home);
    const services = await first.ready();
    for (const name of ["user", "inventory", "order"])
      assert.match(first.output(), new RegExp(`^${name} is ready on `, "m"));

    const pasted = first.output().match(/^npx buf curl .*CreateUser$/m)?.[0] ?? assert.fail(first.output());
    const user = (await paste(pasted)).response.user;
    assert.equal(user.status, "USER_STATUS_ACTIVE");

    await call(services.inventory.grpcAddress, "shoal.inventory.v1.InventoryService/CreateProduct", {
      sku: "TEA-1",
      name: "Green tea",
      price: { minorUnits: "450", currency: "EUR" },
      initialQuantity: 3,
    });
    const { order } = await call(services.order.grpcAddress, "shoal.order.v1.OrderService/CreateOrder", {
      idempotencyKey: "first",
      userId: user.id,
      lines: [{ sku: "TEA-1", quantity: 2 }],
    });
    assert.equal(order.status, "ORDER_STATUS_PLACED");
    assert.deepEqual(order.total, { minorUnits: "900", currency: "EUR" });
    assert.equal(await first.interrupt(), 0);
    assert.match(first.output(), /^Stopping[\s\S]*^Stopped\.$/m);
    await untilServicesGone(services);

    const second = npmStart(t, home);
    const again = await second.ready();
    const request = { orderId: order.id };
    assert.deepEqual(await call(again.order.grpcAddress, "shoal.order.v1.OrderService/GetOrder", request), { order });
    assert.equal(await second.interrupt(), 0);

    const third = npmStart(t, home, { args: ["--fresh"] });
    const fresh = await third.ready();
    const missing = await bufCurl(fresh.order.grpcAddress, "shoal.order.v1.OrderService/GetOrder", request);
    assert.notEqual(missing.exitCode, 0);
    assert.equal(JSON.parse(missing.error).code, "not_found");
    assert.equal(await third.interrupt(), 0);
  });

  test("each service answers /healthz, /readyz and grpc.health.v1; one that is killed is named, and all ends", async (t) => {
    const start = npmStart(t, await temporaryDirectory(t));
    const services = await start.ready();
    for (const { adminUrl, grpcAddress } of Object.values(services)) {
      for (const path of ["/healthz", "/readyz"]) assert.equal((await fetch(`${adminUrl}${path}`)).status, 200);
      assert.deepEqual(await call(grpcAddress, "grpc.health.v1.Health/Check", {}), { status: "SERVING" });
    }
    const named = { service: "shoal.inventory.v1.InventoryService" };
    const status = await call(services.inventory.grpcAddress, "grpc.health.v1.Health/Check", named);
    assert.deepEqual(status, { status: "SERVING" });

    process.kill(services.inventory.pid, "SIGKILL");
    assert.equal(await start.ended(), 1);
    assert.match(start.output(), /^inventory died: ended by SIGKILL\. Its log: \/.*\/logs\/inventory\.log$/m);
    await untilServicesGone(services);
  });

  test("a busy port is named with its service, and nothing is left running", async (t) => {
    const other = createServer().listen(0, "127.0.0.1");
    t.after(() => other.close());
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const home = await temporaryDirectory(t);
    const start = npmStart(t, home, { env: { SHOAL_INVENTORY_GRPC_PORT: String(port) } });
    assert.equal(await start.ended(), 1);
    assert.match(
      start.output(),
      new RegExp(`^inventory: fatal: port ${port} is in use .*SHOAL_INVENTORY_GRPC_PORT`, "m"),
    );
    assert.match(start.output(), /^inventory could not start: exit code 1\. Its log: /m);
    assert.doesNotMatch(start.output(), /shoal is ready/);
    const next = npmStart(t, home);
    await next.ready();
    assert.equal(await next.interrupt(), 0);
  });

  test("services do not outlive a launcher that is killed, and the next start waits for them", async (t) => {
    const home = await temporaryDirectory(t);
    const start = npmStart(t, home);
    const services = await start.ready();
    process.kill(JSON.parse(readFileSync(join(home, "launcher.json"), "utf8")).pid, "SIGKILL");
    assert.notEqual(await start.ended(), 0);
    // On the very same ports: they must have ended by then.
    const ports = Object.entries(services).flatMap(([name, { grpcAddress, adminUrl }]) => [
      [`SHOAL_${name.toUpperCase()}_GRPC_PORT`, new URL(`http://${grpcAddress}`).port],
      [`SHOAL_${name.toUpperCase()}_ADMIN_PORT`, new URL(adminUrl).port],
    ]);
    const next = npmStart(t, home, { env: Object.fromEntries(ports) });
    await next.ready();
    await untilServicesGone(services);
    assert.equal(await next.interrupt(), 0);
  });

  test("services end when everything before the launcher is killed", async (t) => {
    const start = npmStart(t, await temporaryDirectory(t));
    const services = await start.ready();
    process.kill(-start.group, "SIGKILL");
    await untilServicesGone(services);
  });

  test("a second npm start in the same folder is refused, even with --fresh", async (t) => {
    const home = await temporaryDirectory(t);
    const first = npmStart(t, home);
    const services = await first.ready();
    const second = npmStart(t, home, { args: ["--fresh"] });
    assert.equal(await second.ended(), 1);
    assert.match(second.output(), /^Shoal already runs here \(process \d+, data in \/.*\)\. Stop it first/m);
    assert.equal((await fetch(`${services.user.adminUrl}/readyz`)).status, 200);
    assert.equal(await first.interrupt(), 0);
  });

  test("Ctrl-C while it starts ends it all, with exit code 0", async (t) => {
    const start = npmStart(t, await temporaryDirectory(t));
    await until("the first service is ready", () => / is ready on /.test(start.output()));
    assert.equal(await start.interrupt(), 0);
    assert.match(start.output(), /^Stopped\.$/m);
  });

  test("Ctrl-C again does not wait for a service that does not stop", async (t) => {
    const start = npmStart(t, await temporaryDirectory(t));
    const services = await start.ready();
    process.kill(services.order.pid, "SIGSTOP");
    start.pressCtrlC();
    await until("it stops", () => start.output().includes("Stopping"));
    const ended = start.ended();
    // A press too close to the one before is taken for the same.
    const pressing = setInterval(() => start.pressCtrlC(), 500);
    t.after(() => clearInterval(pressing));
    assert.equal(await ended, 130);
    clearInterval(pressing);
    assert.doesNotMatch(start.output(), /^Stopped\.$/m);
    await untilServicesGone(services);
  });

  test("an unknown flag is refused with the usage, and --help shows it", async (t) => {
    const home = await temporaryDirectory(t);
    const wrong = npmStart(t, home, { args: ["--frehs"] });
    assert.equal(await wrong.ended(), 2);
    assert.match(wrong.output(), /Unknown option '--frehs'[\s\S]*--fresh +delete the data/);
    const help = npmStart(t, home, { args: ["--help"] });
    assert.equal(await help.ended(), 0);
    assert.match(help.output(), /--fresh +delete the data/);
  });
});

/** A call that must succeed; answers its response. */
async function call(address: string, method: string, request: object) {
  const { exitCode, response, error } = await bufCurl(address, method, request);
  assert.equal(exitCode, 0, error);
  return response;
}
