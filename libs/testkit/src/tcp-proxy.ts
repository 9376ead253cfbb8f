import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";

/** A way to a server that a test can cut. */
export interface TcpProxy {
  /** `HOST:PORT`. */
  readonly address: string;
  /** Ends all connections, and each new one at once. */
  cut(): void;
  /** Lets new connections through again. */
  mend(): void;
}

/** Starts one on a free port of 127.0.0.1, which leads to `HOST:PORT`. It ends after the test. */
export async function startTcpProxy(t: TestContext, target: string): Promise<TcpProxy> {
  const [host = "", port] = target.split(":");
  const sockets = new Set<Socket>();
  let isCut = false;
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).once("close", () => sockets.delete(socket));
  };
  const cut = () => {
    isCut = true;
    for (const socket of sockets) socket.destroy();
  };
  const server = createServer((near) => {
    keep(near);
    if (isCut) {
      near.destroy();
      return;
    }
    const far = connect(Number(port), host);
    keep(far);
    near.pipe(far).pipe(near);
    near.once("close", () => far.destroy());
    far.once("close", () => near.destroy());
  }).listen(0, "127.0.0.1");
  t.after(() => {
    server.close();
    cut();
  });
  await once(server, "listening");
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("a proxy must listen on TCP");
  return {
    address: `127.0.0.1:${bound.port}`,
    cut,
    mend: () => {
      isCut = false;
    },
  };
}
