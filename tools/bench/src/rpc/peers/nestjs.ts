import "reflect-metadata";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { Controller, Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import {
  type ClientGrpc,
  ClientProxyFactory,
  GrpcMethod,
  type GrpcOptions,
  type MicroserviceOptions,
  Transport,
} from "@nestjs/microservices";
import { firstValueFrom, type Observable } from "rxjs";
import type { Peer } from "../peer.ts";
import { linesAnew, parcelNumber } from "../workload.ts";

interface EchoMessage {
  readonly parcel?: { readonly name?: string } | null;
}

interface EchoServiceClient {
  echo(request: EchoMessage): Observable<EchoMessage>;
}

class EchoController {
  echo({ parcel }: EchoMessage): EchoMessage {
    return { ...(parcel != null && { parcel }) };
  }
}

class EchoModule {}

// Decorators are functions; their syntax is not erasable, so Node would not run it.
const echoMethod = Object.getOwnPropertyDescriptor(EchoController.prototype, "echo") as PropertyDescriptor;
GrpcMethod("EchoService", "Echo")(EchoController.prototype, "echo", echoMethod);
Controller()(EchoController);
Module({ controllers: [EchoController] })(EchoModule);

const root = join(import.meta.dirname, "../../../../..");

function optionsFor(port: number): GrpcOptions {
  return {
    transport: Transport.GRPC,
    options: {
      package: "shoal.echo.v1",
      protoPath: "shoal/echo/v1/echo_service.proto",
      url: `127.0.0.1:${port}`,
      loader: { includeDirs: [join(root, "proto"), join(root, "libs/contracts/third-party")] },
    },
  };
}

/** NestJS's gRPC transport: controllers and observables on grpc-js, messages by protobufjs. */
export const nestjs: Peer = {
  serve: async () => {
    const port = await freePort();
    const app = await NestFactory.createMicroservice<MicroserviceOptions>(EchoModule, {
      ...optionsFor(port),
      logger: ["error", "fatal"],
    });
    await app.listen();
    return { port };
  },
  connect: async (port) => {
    const client = ClientProxyFactory.create(optionsFor(port)) as unknown as ClientGrpc;
    const service = client.getService<EchoServiceClient>("EchoService");
    return {
      echo: async (name) => {
        // The messages of protobufjs take numbers for 64-bit fields.
        const parcel = { name, number: parcelNumber, lines: linesAnew() };
        return (await firstValueFrom(service.echo({ parcel }))).parcel?.name;
      },
    };
  },
};

/** Nest does not say which port the system chose, so it is told one that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
