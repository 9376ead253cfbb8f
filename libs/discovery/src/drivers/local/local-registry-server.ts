import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { formatAddress } from "../../address.ts";
import { asError } from "../../errors.ts";
import { instanceKey } from "../../instance.ts";
import { LineReader } from "../../line-reader.ts";
import type { Instance } from "../../registry.ts";
import { type LocalMessage, type LocalRequest, maxRequestLength, readRequest } from "./protocol.ts";

/** Where a {@link LocalRegistryServer} listens. */
export interface LocalRegistryServerOptions {
  /** A loopback address: whoever reaches it may announce anything. */
  readonly host: string;
  /** 0 lets the system choose one. */
  readonly port: number;
}

/** A registry for the processes of one machine. */
export interface LocalRegistryServer {
  /** `HOST:PORT`; `local://HOST:PORT` is its URL. */
  readonly address: string;
  /** Ends it and all its connections; what was announced is forgotten. Leaves nothing that keeps the process. */
  close(): Promise<void>;
}

/** What one connection may hold, and all together; beyond it requests are refused. */
const limits = Object.freeze({
  connections: 1_000,
  instancesOfOne: 100,
  watchesOfOne: 1_000,
  instances: 10_000,
  /** A client that takes no messages is disconnected when this many bytes wait for it. */
  waitingBytes: 32 * 1_024 * 1_024,
});

/**
 * Starts the registry that `npm start` brings along. An announcement lives as long as the connection that it came over,
 * so that of a killed process is gone at once. Nothing is kept on disk: after a restart the clients announce and ask anew.
 * Rejects when it cannot listen there. The caller closes it.
 */
export async function createLocalRegistryServer(
  options: Partial<LocalRegistryServerOptions> = {},
): Promise<LocalRegistryServer> {
  const { host = "127.0.0.1", port = 0 } = options;
  const content = new Content();
  const connections = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    connections.add(socket);
    socket.once("close", () => connections.delete(socket));
    serve(socket, content);
  });
  server.maxConnections = limits.connections;
  server.listen(port, host);
  await once(server, "listening");
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("a local registry must listen on TCP");
  return {
    address: formatAddress({ host: bound.address, port: bound.port }),
    async close() {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      for (const socket of connections) socket.destroy();
      await closed;
    },
  };
}

/** A client's connection, as the content sees it. */
interface Peer {
  readonly announced: Set<string>;
  readonly watched: Set<string>;
  send(message: LocalMessage): void;
}

/** Who is announced, by whom, and who is told of it. */
class Content {
  readonly #instances = new Map<string, { readonly instance: Instance; readonly peer: Peer }>();
  readonly #watchers = new Map<string, Set<Peer>>();
  readonly #changed = new Set<string>();

  /** Does what was asked. Throws an `Error` that says why it does not. */
  apply(peer: Peer, request: LocalRequest): void {
    if (request.do === "register") this.#register(peer, request.instance);
    else if (request.do === "deregister") this.#deregister(peer, instanceKey(request.instance));
    else if (request.do === "watch") this.#watch(peer, request.service);
    else this.#unwatch(peer, request.service);
  }

  /** Forgets all that a connection held. */
  drop(peer: Peer): void {
    for (const key of peer.announced) this.#deregister(peer, key);
    for (const service of peer.watched) this.#unwatch(peer, service);
  }

  #register(peer: Peer, instance: Instance): void {
    const key = instanceKey(instance);
    const known = this.#instances.get(key);
    if (!peer.announced.has(key) && peer.announced.size >= limits.instancesOfOne)
      throw new Error(`one connection may announce ${limits.instancesOfOne} instances`);
    if (known === undefined && this.#instances.size >= limits.instances)
      throw new Error(`no more than ${limits.instances} instances can be announced`);
    // A process that has reconnected before its old connection was seen to end takes its announcement over.
    known?.peer.announced.delete(key);
    peer.announced.add(key);
    this.#instances.set(key, { instance, peer });
    this.#hasChanged(instance.service);
  }

  #deregister(peer: Peer, key: string): void {
    const known = this.#instances.get(key);
    if (known?.peer !== peer) return;
    peer.announced.delete(key);
    this.#instances.delete(key);
    this.#hasChanged(known.instance.service);
  }

  #watch(peer: Peer, service: string): void {
    if (peer.watched.size >= limits.watchesOfOne)
      throw new Error(`one connection may watch ${limits.watchesOfOne} services`);
    peer.watched.add(service);
    const watchers = this.#watchers.get(service) ?? new Set();
    this.#watchers.set(service, watchers.add(peer));
    peer.send({ service, instances: this.#of(service) });
  }

  #unwatch(peer: Peer, service: string): void {
    peer.watched.delete(service);
    const watchers = this.#watchers.get(service);
    if (watchers?.delete(peer) && watchers.size === 0) this.#watchers.delete(service);
  }

  /** Tells a service's watchers, once for all the changes of one turn of the event loop. */
  #hasChanged(service: string): void {
    if (this.#changed.size === 0) {
      setImmediate(() => {
        const changed = [...this.#changed];
        this.#changed.clear();
        for (const each of changed) {
          const message = { service: each, instances: this.#of(each) };
          for (const peer of this.#watchers.get(each) ?? []) peer.send(message);
        }
      });
    }
    this.#changed.add(service);
  }

  #of(service: string): Instance[] {
    const found: Instance[] = [];
    for (const { instance } of this.#instances.values()) if (instance.service === service) found.push(instance);
    return found;
  }
}

/** Answers a connection until it ends, or says what is no line of ours. */
function serve(socket: Socket, content: Content): void {
  const reader = new LineReader(maxRequestLength);
  const peer: Peer = {
    announced: new Set(),
    watched: new Set(),
    send(message) {
      if (socket.destroyed) return;
      socket.write(`${JSON.stringify(message)}\n`);
      if (socket.writableLength > limits.waitingBytes) socket.destroy();
    },
  };
  const receive = (line: string) => {
    const request = readRequest(line);
    try {
      content.apply(peer, request);
      peer.send({ re: request.n });
    } catch (error) {
      peer.send({ re: request.n, error: asError(error).message });
    }
  };
  socket.setEncoding("utf8");
  socket.on("data", (text: string) => {
    try {
      for (const line of reader.push(text)) receive(line);
    } catch {
      // Not a client of ours, or one of another time.
      socket.destroy();
    }
  });
  socket.on("error", () => socket.destroy());
  socket.once("close", () => content.drop(peer));
}
