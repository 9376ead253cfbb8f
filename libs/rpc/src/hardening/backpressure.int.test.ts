import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Progress, payloadBytes, readBeforePause } from "./backpressure-process.ts";

const oneGiB = 1024 ** 3;
/** How far a writer may be ahead of its reader: sockets, HTTP/2 windows and the buffers around them. */
const aheadBytes = 16 * 1024 * 1024;
/** What a process may need altogether. One that buffers the longest stream needs more than that has. */
const peakBytes = 256 * 1024 * 1024;

/** Starts one side; answers how to see what it tells. */
function side(t: TestContext, role: string, ...args: readonly (number | undefined)[]) {
  const child = fork(join(import.meta.dirname, "backpressure-process.ts"), [role, ...args.map(String)], {
    execArgv: ["--max-old-space-size=64"],
  });
  t.after(() => child.kill("SIGKILL"));
  const exited = new Promise<never>((_, reject) => {
    child.once("exit", (code, signal) => reject(new Error(`the ${role} exited: ${code ?? signal}`)));
  });
  exited.catch(() => {});
  // Node keeps messages for whoever begins to listen later, who would take what was for what is.
  child.on("message", () => {});
  /** Answers the first progress from now on that `holds`. */
  const until = async (holds: (progress: Progress) => boolean): Promise<Progress> => {
    for (;;) {
      const [progress] = (await Promise.race([once(child, "message"), exited])) as [Progress];
      if (holds(progress)) return progress;
    }
  };
  return { until, goOn: () => child.send("go on") };
}

/** Waits until a process has written nothing for half a second of its own time; answers how much it had written. */
async function standstill({ until }: ReturnType<typeof side>): Promise<number> {
  let last = -1;
  let same = 0;
  const { written } = await until(({ written }) => {
    same = written === last ? same + 1 : 0;
    last = written;
    return same === 25;
  });
  return written;
}

async function start(t: TestContext, method: string, streamBytes: number) {
  const server = side(t, "server");
  const { port } = await server.until((progress) => progress.port !== undefined);
  return { server, client: side(t, method, port, streamBytes / payloadBytes) };
}

/** Checks the peaks of both, and tells them. */
function assertBounded(t: TestContext, sides: { server: Progress; client: Progress }, speed: string): void {
  const mib = (bytes: number) => `${Math.round(bytes / 1024 ** 2)} MiB`;
  const { server, client } = sides;
  t.diagnostic(`${speed}; peaks: server ${mib(server.peakRssBytes)}, client ${mib(client.peakRssBytes)}`);
  for (const [side, { peakRssBytes }] of Object.entries(sides))
    assert.ok(peakRssBytes < peakBytes, `the ${side} needed ${mib(peakRssBytes)}`);
}

/** Checks what was written for a reader that has paused. */
function assertNear(written: number): void {
  const ahead = (written - readBeforePause) * payloadBytes;
  assert.ok(ahead <= aheadBytes, `the writer went on until it was ${ahead} bytes ahead of a reader that had paused`);
}

/** Measures the time from now on. */
function stopwatch(bytes: number): () => string {
  const startedAt = performance.now();
  return () => `${Math.round(bytes / 1024 ** 2 / ((performance.now() - startedAt) / 1_000))} MiB/s`;
}

test("a client that pauses stops a server stream, and then gets all of its 1 GiB", async (t) => {
  const { server, client } = await start(t, "repeat", oneGiB);
  await client.until(({ paused }) => paused);
  assertNear(await standstill(server));
  const speed = stopwatch(oneGiB);
  client.goOn();
  const end = await client.until(({ ended }) => ended);
  assert.equal(end.readBytes, oneGiB);
  assert.equal(end.read, oneGiB / payloadBytes);
  assertBounded(t, { server: await server.until(() => true), client: end }, speed());
});

test("a handler that pauses stops a client stream, and then gets all of its 128 MiB", async (t) => {
  const streamBytes = oneGiB / 8;
  const { server, client } = await start(t, "collect", streamBytes);
  await server.until(({ paused }) => paused);
  assertNear(await standstill(client));
  const speed = stopwatch(streamBytes);
  server.goOn();
  const end = await client.until(({ ended }) => ended);
  assert.deepEqual(end.collected, { count: streamBytes / payloadBytes, bytes: streamBytes });
  assertBounded(t, { server: await server.until(() => true), client: end }, speed());
});

test("a client that pauses stops both ways of a stream of 64 MiB that is echoed, and then gets all of it", async (t) => {
  const streamBytes = oneGiB / 16;
  const { server, client } = await start(t, "converse", streamBytes);
  await client.until(({ paused }) => paused);
  assertNear(await standstill(client));
  assertNear(await standstill(server));
  const speed = stopwatch(streamBytes);
  client.goOn();
  const end = await client.until(({ ended }) => ended);
  assert.equal(end.readBytes, streamBytes);
  assert.equal(end.read, streamBytes / payloadBytes);
  assertBounded(t, { server: await server.until(() => true), client: end }, `${speed()} each way`);
});
