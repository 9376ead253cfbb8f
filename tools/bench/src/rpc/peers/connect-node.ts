import { once } from "node:events";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { createClient } from "@connectrpc/connect";
import { connectNodeAdapter, createGrpcTransport } from "@connectrpc/connect-node";
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import type { Peer } from "../peer.ts";
import { requestOf } from "../workload.ts";

/** Connect for Node, speaking the gRPC protocol: its own stack on Node's HTTP/2, without grpc-js. */
export const connectNode: Peer = {
  serve: async () => {
    const handler = connectNodeAdapter({
      routes: (router) => {
        router.service(EchoService, { echo: async ({ parcel }) => ({ ...(parcel !== undefined && { parcel }) }) });
      },
    });
    const server = createServer(handler).listen(0, "127.0.0.1");
    await once(server, "listening");
    return { port: (server.address() as AddressInfo).port };
  },
  connect: async (port) => {
    const client = createClient(EchoService, createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` }));
    return { echo: async (name) => (await client.echo(requestOf(name))).parcel?.name };
  },
};
