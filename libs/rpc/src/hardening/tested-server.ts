import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Metadata } from "@grpc/grpc-js";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { type Client, createClient } from "../client/client.ts";
import { type HandlerContext, implement, type ServiceHandlers } from "../server/handlers.ts";
import type { CallEnd } from "../server/serve-call.ts";
import { createServer, type RpcServer, type ServerOptions } from "../server/server.ts";
import { goodRequest, paths, RawClient } from "./raw-client.ts";

// For tests only: a server of the test contract that tells what is going on in it.

type Handlers = ServiceHandlers<typeof EchoService>;

/** Does what the contract says. */
export const echoing: Handlers = {
  echo: async ({ parcel }) => ({ ...(parcel && { parcel }) }),
  echoAgain: async ({ parcel }) => ({ ...(parcel && { parcel }) }),
  collect: async (requests) => {
    let count = 0n;
    for await (const _ of requests) count += 1n;
    return { count };
  },
  repeat: async function* ({ parcel, count }) {
    for (let n = 0n; n < count; n += 1n) yield { ...(parcel && { parcel }) };
  },
  converse: async function* (requests) {
    for await (const { parcel } of requests) yield { ...(parcel && { parcel }) };
  },
};

/** A server under test. */
export interface TestedServer {
  readonly server: RpcServer;
  readonly port: number;
  /** A caller that behaves well, on a connection of its own. */
  readonly client: Client<typeof EchoService>;
  /** The calls that have ended, probes of {@link stillServes} left out. */
  readonly ends: readonly CallEnd[];
  /** The calls whose handlers were entered, probes left out. */
  readonly entered: readonly HandlerContext[];
  /** A raw connection, which is closed when the test ends. */
  raw(): RawClient;
  /**
   * Waits until nothing is running any more, and checks that each call that was begun was told to have ended. Then makes
   * a call with the client, and one on `same` if it is given: all must succeed.
   */
  stillServes(same?: RawClient): Promise<void>;
}

const probe = "probe";

/** Serves until the test ends, at any free port unless one is named. */
export async function startTested(
  t: TestContext,
  handlers: Partial<Handlers> = {},
  options: Partial<ServerOptions> = {},
  atPort = 0,
): Promise<TestedServer> {
  const ends: CallEnd[] = [];
  const entered: HandlerContext[] = [];
  let begun = 0;
  let running = 0;
  const isProbe = ({ idempotencyKey }: { readonly idempotencyKey?: string | undefined }) => idempotencyKey === probe;
  const watched = Object.entries({ ...echoing, ...handlers }).map(([name, handler]) => [
    name,
    (request: never, context: HandlerContext) => {
      if (isProbe(context)) return (echoing[name as keyof Handlers] as typeof handler)(request, context);
      entered.push(context);
      return handler(request, context);
    },
  ]);
  const server = createServer({
    services: [implement(EchoService, Object.fromEntries(watched) as Handlers)],
    errorDomain: "shoal.test",
    onCallEnd: (end) => {
      if (!isProbe(end.context)) ends.push(end);
    },
    telemetry: async (context, next) => {
      if (isProbe(context)) return next();
      begun += 1;
      running += 1;
      try {
        await next();
      } finally {
        running -= 1;
      }
    },
    ...options,
  });
  const port = await server.listen({ host: "127.0.0.1", port: atPort });
  const client = createClient(EchoService, { address: `127.0.0.1:${port}` });
  const raws: RawClient[] = [];
  t.after(async () => {
    client[Symbol.dispose]();
    for (const raw of raws) raw.close();
    await server.drain(0);
  });
  return {
    server,
    port,
    client,
    ends,
    entered,
    raw: () => {
      const raw = new RawClient(port);
      raws.push(raw);
      return raw;
    },
    stillServes: async (same) => {
      await eventually(() => running === 0 && ends.length === begun, `${running} calls running, ${ends.length} ended`);
      const metadata = new Metadata();
      metadata.set("idempotency-key", probe);
      assert.equal((await client.echo({ parcel: { name: "well" } }, { metadata })).parcel?.name, "well");
      if (same === undefined) return;
      const reply = await same.call(paths.echo, { headers: { "idempotency-key": probe }, body: goodRequest });
      assert.equal(reply.status, "OK", "on the same connection");
    },
  };
}

/** Waits until `holds`, for things that happen on the other side. Fails after 20 seconds. */
export async function eventually(holds: () => boolean, what = ""): Promise<void> {
  const giveUpAt = Date.now() + 20_000;
  while (!holds()) {
    assert.ok(Date.now() < giveUpAt, `it did not happen within 20 seconds: ${what || holds}`);
    await sleep(2);
  }
}
