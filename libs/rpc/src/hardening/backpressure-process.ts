// One side of a stream, in a process of its own; see backpressure.int.test.ts. Run with `server`, or with a method, the
// server's port and the number of messages.

import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { createClient } from "../client/client.ts";
import { implement } from "../server/handlers.ts";
import { createServer } from "../server/server.ts";

/** How far a process is; it tells every few milliseconds. */
export interface Progress {
  /** Where a server listens. */
  readonly port: number | undefined;
  /** Messages that the source has given. */
  readonly written: number;
  /** Messages that came out at the other end. */
  readonly read: number;
  /** Bytes in the payloads of those. */
  readonly readBytes: number;
  /** Whether the reader has paused, until it is told to go on by any message. */
  readonly paused: boolean;
  /** Whether the client's call has ended. */
  readonly ended: boolean;
  /** What a server says that it has received. */
  readonly collected: { readonly count: number; readonly bytes: number } | undefined;
  /** The most memory that the process had so far, in bytes. */
  readonly peakRssBytes: number;
}

export const payloadBytes = 64 * 1024;
/** How many messages the reader takes before it pauses. */
export const readBeforePause = 10;

if (import.meta.main) await main(process.argv[2] ?? "", Number(process.argv[3]), Number(process.argv[4]));

async function main(role: string, serverPort: number, messages: number): Promise<void> {
  let port: number | undefined;
  let written = 0;
  let read = 0;
  let readBytes = 0;
  let paused = false;
  let ended = false;
  let collected: Progress["collected"];
  const goOn = new Promise((resolve) => process.once("message", resolve));
  const parcel = { payload: Buffer.alloc(payloadBytes, 1) };

  async function* write(count: number) {
    for (; written < count; written += 1) yield { parcel };
  }

  async function receive(stream: AsyncIterable<{ parcel?: { payload: Uint8Array } | undefined }>): Promise<void> {
    for await (const message of stream) {
      read += 1;
      readBytes += message.parcel?.payload.length ?? 0;
      if (read !== readBeforePause) continue;
      paused = true;
      await goOn;
      paused = false;
    }
  }

  setInterval(() => {
    const peakRssBytes = process.resourceUsage().maxRSS * 1024;
    process.send?.({ port, written, read, readBytes, paused, ended, collected, peakRssBytes } satisfies Progress);
  }, 20);
  process.once("disconnect", () => process.exit());

  if (role === "server") {
    const server = createServer({
      errorDomain: "shoal.test",
      services: [
        implement(EchoService, {
          echo: async ({ parcel }) => ({ parcel }),
          echoAgain: async ({ parcel }) => ({ parcel }),
          repeat: ({ count }) => write(Number(count)),
          collect: async (requests) => {
            await receive(requests);
            return { count: BigInt(read), bytes: BigInt(readBytes) };
          },
          converse: async function* (requests) {
            for await (const { parcel } of requests) {
              read += 1;
              yield { parcel };
              written += 1;
            }
          },
        }),
      ],
    });
    port = await server.listen({ host: "127.0.0.1", port: 0 });
    return;
  }

  const client = createClient(EchoService, { address: `127.0.0.1:${serverPort}` });
  if (role === "repeat") await receive(client.repeat({ count: BigInt(messages) }));
  if (role === "converse") await receive(client.converse(write(messages)));
  if (role === "collect") {
    const { count, bytes } = await client.collect(write(messages));
    collected = { count: Number(count), bytes: Number(bytes) };
  }
  ended = true;
}
