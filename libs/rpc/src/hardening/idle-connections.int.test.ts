import assert from "node:assert/strict";
import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { createClient } from "../client/client.ts";
import { greeting } from "./raw-client.ts";

const wanted = 10_000;
/** What the two processes need beside the connections, which each end of needs a file descriptor for. */
const spare = 500;
/** Connections that are opened together, below what a listener queues. */
const wave = 250;
const mebibyte = 1024 * 1024;

test("10,000 idle connections leave a caller that works alone, and memory bounded", { timeout: 30_000 }, async (t) => {
  const limit = execFileSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" }).trim();
  const possible = limit === "unlimited" ? wanted : Math.min(wanted, Number(limit) - spare);
  if (possible < wanted) t.diagnostic(`${possible} connections: a process may have ${limit} files open`);

  const server = fork(new URL("./idle-connections-server.ts", import.meta.url));
  const sockets: Socket[] = [];
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.kill();
  });
  const [{ port }] = (await once(server, "message")) as [{ port: number }];
  const rss = async () => {
    const told = once(server, "message");
    server.send("rss");
    return ((await told) as [{ rss: number }])[0].rss;
  };
  using client = createClient(EchoService, { address: `127.0.0.1:${port}` });
  const call200 = async () => {
    const times: number[] = [];
    for (let n = 0; n < 200; n += 1) {
      const begun = performance.now();
      const { parcel } = await client.echo({ parcel: { name: `call ${n}` } });
      assert.equal(parcel?.name, `call ${n}`);
      times.push(performance.now() - begun);
    }
    return times.sort((a, b) => a - b)[197];
  };
  const before = { p99: await call200(), rss: await rss() };

  let closed = 0;
  while (sockets.length < possible) {
    const count = Math.min(wave, possible - sockets.length);
    // A source address for each 2,000, so that ports do not run out.
    const localAddress = `127.0.0.${2 + Math.floor(sockets.length / 2_000)}`;
    const opened = Array.from({ length: count }, () => open(port, localAddress, () => (closed += 1)));
    sockets.push(...(await Promise.all(opened)));
  }
  const after = { p99: await call200(), rss: await rss() };

  assert.equal(closed, 0, `${closed} of the connections were closed`);
  const each = (after.rss - before.rss) / possible;
  t.diagnostic(
    `${possible} connections take ${Math.round((after.rss - before.rss) / mebibyte)} MiB, ${Math.round(each / 1024)} KiB each; ` +
      `p99 of 200 calls: ${before.p99?.toFixed(1)} ms before, ${after.p99?.toFixed(1)} ms with them`,
  );
  assert.ok(each < 100 * 1024, `${each} bytes for each connection`);
});

/** Opens an HTTP/2 connection; resolves when the server has greeted back. */
function open(port: number, localAddress: string, onClose: () => void): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, localAddress });
    socket.on("error", reject).on("close", onClose);
    socket.once("data", () => {
      socket.on("data", () => {});
      resolve(socket);
    });
    socket.write(greeting);
  });
}
