// One of the live part's instances: `live-server-process.ts NAME`, started and told what to do by live.ts.
import { setTimeout as sleep } from "node:timers/promises";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { createServer, implement } from "@shoal/rpc";
import { obeyParent } from "../rpc/parent-link.ts";
import { logNormal } from "./random.ts";
import { world } from "./simulate.ts";

/** What the bench may ask of an instance. */
export interface LiveServerTasks {
  /** Begins to serve; answers its port and its process. */
  serve(): Promise<{ readonly port: number; readonly pid: number }>;
  /** From now on it takes so many times as long as at first. */
  slowDown(times: number): Promise<void>;
}

const name = process.argv[2] ?? "";
let slowness = 1;

const echo = implement(EchoService, {
  echo: async () => {
    await sleep(logNormal(world.serviceMs * slowness, world.serviceSigma, Math.random));
    return { parcel: { name } };
  },
  echoAgain: async () => ({}),
  collect: async () => ({}),
  repeat: async function* () {},
  converse: async function* () {},
});

obeyParent<LiveServerTasks>({
  serve: async () => {
    const server = createServer({ services: [echo], errorDomain: "shoal.echo" });
    return { port: await server.listen({ host: "127.0.0.1", port: 0 }), pid: process.pid };
  },
  slowDown: async (times) => {
    slowness = times;
  },
});
