// A process of draining.int.test.ts that serves the echo service: `draining-server.ts NAME PORT` (0: any port).
import { setTimeout as sleep } from "node:timers/promises";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { implement } from "../server/handlers.ts";
import { createServer } from "../server/server.ts";

/** What the process tells its parent. */
export type DrainingServerMessage =
  | { readonly type: "listening"; readonly port: number }
  | {
      readonly type: "drained";
      readonly forced: boolean;
      readonly drainMs: number;
      /** The numbers of the calls that the handler was entered with, in that order. */
      readonly entered: readonly number[];
    };

/** The longest that a call takes in the handler, in milliseconds. */
const longestMs = 20;

const [name = "", port = "0"] = process.argv.slice(2);
const entered: number[] = [];
const notServed = () => Promise.reject(new Error("not served here"));
const server = createServer({
  services: [
    implement(EchoService, {
      echo: async ({ parcel }) => {
        const number = Number(parcel?.number);
        entered.push(number);
        const takesMs = number % (longestMs + 1);
        if (takesMs > 0) await sleep(takesMs);
        return { parcel: { name, number: BigInt(number) } };
      },
      echoAgain: notServed,
      collect: notServed,
      // Serves nothing more than echo; what there is beside it is never called.
      repeat: async function* () {},
      converse: async function* () {},
    }),
  ],
  errorDomain: "shoal.test",
});

process.once("SIGTERM", async () => {
  const startedAt = performance.now();
  const { forced } = await server.drain(5_000);
  tell({ type: "drained", forced, drainMs: performance.now() - startedAt, entered });
  // Nothing keeps the process now, unless the server has left something behind.
  process.disconnect();
});
// A parent that has died needs no server.
process.once("disconnect", () => setTimeout(() => process.exit(1), 10_000).unref());
tell({ type: "listening", port: await server.listen({ host: "127.0.0.1", port: Number(port) }) });

function tell(message: DrainingServerMessage): void {
  process.send?.(message);
}
