import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { createContext, runWithContext } from "@shoal/kernel";
import { createClient, createServer, implement } from "@shoal/rpc";
import type { Peer } from "../peer.ts";
import { clientTelemetry, serverTelemetry } from "../telemetry.ts";
import { requestOf } from "../workload.ts";

/** What of the context of a call that is being served goes out with its own calls: its trace is not sampled. */
const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const caller = { requestId: traceId, traceparent: `00-${traceId}-00f067aa0ba902b7-00` };

/** @shoal/rpc with everything on, called as from within calls that are being served. */
export const shoal: Peer = {
  serve: async () => {
    const echo = implement(EchoService, {
      echo: async ({ parcel }) => ({ ...(parcel !== undefined && { parcel }) }),
      echoAgain: async ({ parcel }) => ({ ...(parcel !== undefined && { parcel }) }),
      collect: async () => ({}),
      repeat: async function* () {},
      converse: async function* () {},
    });
    const server = createServer({ services: [echo], errorDomain: "shoal.echo", ...serverTelemetry() });
    return { port: await server.listen({ host: "127.0.0.1", port: 0 }) };
  },
  connect: async (port) => {
    const client = createClient(EchoService, { address: `127.0.0.1:${port}`, ...clientTelemetry() });
    return {
      echo: async (name) => (await client.echo(requestOf(name))).parcel?.name,
      around: (calls) => {
        const { signal } = new AbortController();
        return runWithContext(createContext({ signal, ...caller }), calls);
      },
    };
  },
};
