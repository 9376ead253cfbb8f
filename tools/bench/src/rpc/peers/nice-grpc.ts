import { create } from "@bufbuild/protobuf";
import {
  type EchoRequest,
  EchoRequestSchema,
  type EchoResponse,
  EchoResponseSchema,
} from "@shoal/contracts/echo/v1/echo_service";
import { createChannel, createClient, createServer, type MethodDefinition } from "nice-grpc";
import type { Peer } from "../peer.ts";
import { requestOf } from "../workload.ts";
import { echoDefinition } from "./grpc-js.ts";

type EchoMethod = MethodDefinition<EchoRequest, EchoRequest, EchoResponse, EchoResponse, false, false>;
const definition = { echo: { ...echoDefinition, options: {} } as unknown as EchoMethod };

/** nice-grpc: promises and async generators on grpc-js; the codec of protobuf-es, as in the baseline. */
export const niceGrpc: Peer = {
  serve: async () => {
    const server = createServer();
    server.add(definition, {
      echo: async (request: EchoRequest) => create(EchoResponseSchema, { parcel: request.parcel }),
    });
    return { port: await server.listen("127.0.0.1:0") };
  },
  connect: async (port) => {
    const client = createClient(definition, createChannel(`127.0.0.1:${port}`));
    return {
      echo: async (name) => (await client.echo(create(EchoRequestSchema, requestOf(name)))).parcel?.name,
    };
  },
};
