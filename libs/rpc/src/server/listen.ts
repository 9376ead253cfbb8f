import { once } from "node:events";
import { chmod } from "node:fs/promises";
import { createServer as createTcpServer, isIPv6, type Server as NetServer } from "node:net";
import { normalize } from "node:path";
import { type Server, ServerCredentials } from "@grpc/grpc-js";
import { type ServerTls, serverCredentials } from "../tls.ts";
import { freeSocketPath } from "./unix-socket.ts";

/** Where a server listens. */
export type ListenAddress =
  | {
      readonly host: string;
      /** 0: the system chooses. */
      readonly port: number;
      /** Without it, connections are not encrypted. */
      readonly tls?: ServerTls;
    }
  /** A Unix socket, which nobody but its owner may connect to. One that no server listens on any more is replaced. */
  | { readonly path: string };

/** Has a server listen; answers the port, 0 for a Unix socket. Rejects with the system's error when it cannot. */
export async function listen(server: Server, at: ListenAddress): Promise<number> {
  if ("path" in at) return listenOnSocket(server, at.path);
  const { host, port, tls } = at;
  const credentials = tls === undefined ? ServerCredentials.createInsecure() : serverCredentials(tls);
  if (port !== 0) await requireFree(() => createTcpServer().listen(port, host));
  return bind(server, `${isIPv6(host) ? `[${host}]` : host}:${port}`, credentials);
}

async function listenOnSocket(server: Server, asked: string): Promise<number> {
  // grpc-js would take the first part of a path with two slashes for a host.
  const path = normalize(asked);
  await freeSocketPath(path);
  await requireFree(() => createTcpServer().listen(path));
  await bind(server, `unix:${path}`, ServerCredentials.createInsecure());
  await chmod(path, 0o600);
  return 0;
}

function bind(server: Server, address: string, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, port) => {
      if (error === null) resolve(port);
      else reject(new Error(`cannot listen on ${address}: ${error.message}`, { cause: error }));
    });
  });
}

/** grpc-js wraps the system's error into a text and prints it; Node's own server tells it as it is. */
async function requireFree(listenForOnce: () => NetServer): Promise<void> {
  const probe = listenForOnce();
  await once(probe, "listening");
  probe.close();
  await once(probe, "close");
}
