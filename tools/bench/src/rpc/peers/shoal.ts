import { context, ROOT_CONTEXT, TraceFlags, trace } from "@opentelemetry/api";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { createContext, runWithContext } from "@shoal/kernel";
import { clientTelemetry, createClient, createServer, implement, serverTelemetry } from "@shoal/rpc";
import type { Peer } from "../peer.ts";
import { startUnsampledTelemetry } from "../telemetry.ts";
import { requestOf } from "../workload.ts";

/** What of the context of a call that is being served goes out with its own calls: its trace is not sampled. */
const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const spanId = "00f067aa0ba902b7";
const caller = { requestId: traceId, traceparent: `00-${traceId}-${spanId}-00` };
const callersTrace = trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: TraceFlags.NONE });

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
    const telemetry = serverTelemetry(await startUnsampledTelemetry());
    const server = createServer({ services: [echo], errorDomain: "shoal.echo", telemetry });
    return { port: await server.listen({ host: "127.0.0.1", port: 0 }) };
  },
  connect: async (port) => {
    const telemetry = clientTelemetry(await startUnsampledTelemetry());
    const client = createClient(EchoService, { address: `127.0.0.1:${port}`, telemetry });
    return {
      echo: async (name) => (await client.echo(requestOf(name))).parcel?.name,
      around: (calls) => {
        const { signal } = new AbortController();
        return context.with(callersTrace, () => runWithContext(createContext({ signal, ...caller }), calls));
      },
    };
  },
};
