// A server that allows so many streams on a connection as its argument says: started by connections-bench.ts.
import { setTimeout as sleep } from "node:timers/promises";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { createServer, implement } from "@shoal/rpc";
import { obeyParent } from "../rpc/parent-link.ts";

/** What the bench may ask of it. */
export interface ServerTasks {
  /** Begins to serve; answers the port. */
  serve(): Promise<number>;
}

/** How long a call takes that waits for something else, in milliseconds. */
const serviceMs = 10;

const refuse = () => {
  throw new Error("the bench does not call this");
};

const echo = implement(EchoService, {
  echo: async ({ parcel }) => {
    await sleep(serviceMs);
    return { ...(parcel && { parcel }) };
  },
  echoAgain: refuse,
  collect: refuse,
  repeat: refuse,
  converse: refuse,
});

obeyParent<ServerTasks>({
  serve: async () => {
    const maxStreamsPerConnection = Number(process.argv[2]);
    const server = createServer({ services: [echo], errorDomain: "shoal.bench", maxStreamsPerConnection });
    return await server.listen({ host: "127.0.0.1", port: 0 });
  },
});
