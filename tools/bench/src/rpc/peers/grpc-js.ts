import { create } from "@bufbuild/protobuf";
import {
  Client,
  credentials,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
} from "@grpc/grpc-js";
import {
  type EchoRequest,
  EchoRequestSchema,
  type EchoResponse,
  EchoResponseSchema,
  EchoService,
} from "@shoal/contracts/echo/v1/echo_service";
import { codecOf } from "../codec.ts";
import type { Peer } from "../peer.ts";
import { requestOf } from "../workload.ts";

/** Echo as grpc-js wants it, with the codec of protobuf-es. */
export const echoDefinition: MethodDefinition<EchoRequest, EchoResponse> = {
  path: `/${EchoService.typeName}/${EchoService.method.echo.name}`,
  requestStream: false,
  responseStream: false,
  ...codecOf("request", EchoRequestSchema),
  ...codecOf("response", EchoResponseSchema),
} as MethodDefinition<EchoRequest, EchoResponse>;

/** Bare grpc-js with default options: what the others are compared with. */
export const grpcJs: Peer = {
  serve: async () => {
    const server = new Server();
    server.addService(
      { echo: echoDefinition },
      {
        echo: (call: ServerUnaryCall<EchoRequest, EchoResponse>, reply: sendUnaryData<EchoResponse>) =>
          reply(null, create(EchoResponseSchema, { parcel: call.request.parcel })),
      },
    );
    return new Promise((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
        if (error === null) resolve({ port });
        else reject(error);
      });
    });
  },
  connect: async (port) => {
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    const { path, requestSerialize, responseDeserialize } = echoDefinition;
    return {
      echo: (name) =>
        new Promise((resolve, reject) => {
          const request = create(EchoRequestSchema, requestOf(name));
          client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, response) => {
            if (error === null) resolve(response?.parcel?.name);
            else reject(error);
          });
        }),
    };
  },
};
