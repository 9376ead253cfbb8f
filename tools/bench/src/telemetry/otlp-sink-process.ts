// A collector that takes all that it gets, in a process of its own. Started and told what to do by telemetry-bench.ts.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { obeyParent } from "../rpc/parent-link.ts";

/** What the bench may ask of it. */
export interface OtlpSinkTasks {
  /** Answers the URL that it listens at. */
  serve(): Promise<string>;
  /** Answers how many bytes have come since it was asked last. */
  received(): Promise<number>;
}

let bytes = 0;

obeyParent<OtlpSinkTasks>({
  serve: async () => {
    const server = createServer((request, response) => {
      request.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
      });
      request.on("end", () => response.writeHead(200, { "content-type": "application/x-protobuf" }).end());
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  },
  received: async () => {
    const since = bytes;
    bytes = 0;
    return since;
  },
});
