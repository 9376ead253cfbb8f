import type { Http2SecureServer, Http2Server, ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";

/** How long a peer has for its part once a connection is to end, in milliseconds. */
const peerMs = 1_000;

/**
 * The connections of a server, as far as grpc-js does not see to them: those that shake hands while it shuts down, those
 * whose peers do not close their half, and cutting them all (it has no list of them while channelz is off).
 * States: open → closing.
 */
export class Connections {
  readonly #sockets = new Set<Socket>();
  readonly #shakingHands = new Set<Socket>();
  #closing = false;

  /** How many there are. */
  get count(): number {
    return this.#sockets.size;
  }

  /** Watches the connections of a listener that does not listen yet; it never will once they are closing. */
  add(listener: Http2Server | Http2SecureServer): void {
    if (this.#closing) listener.once("listening", () => listener.close());
    const secure = "setSecureContext" in listener;
    listener.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      if (secure) this.#shakingHands.add(socket);
      else endHalfClosed(socket);
      socket.once("close", () => {
        this.#sockets.delete(socket);
        this.#shakingHands.delete(socket);
      });
    });
    listener.on("secureConnection", (socket: Socket) => {
      // TLS sockets have no public way to the sockets beneath.
      for (const below of this.#shakingHands)
        if (below.remotePort === socket.remotePort && below.remoteAddress === socket.remoteAddress)
          this.#shakingHands.delete(below);
      endHalfClosed(socket);
    });
    listener.on("session", (session: ServerHttp2Session) => {
      if (this.#closing) session.close();
    });
  }

  /** Ends connections that are not made yet, as soon as they are, or else soon. There are no calls on them. */
  close(): void {
    this.#closing = true;
    for (const socket of this.#shakingHands) destroySoon(socket, () => this.#shakingHands.has(socket));
  }

  /** Cuts all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** A peer that has been told that a connection ends should end its half. One that does not would keep it for ever. */
function endHalfClosed(socket: Socket): void {
  socket.once("finish", () => destroySoon(socket, () => true));
}

function destroySoon(socket: Socket, isDue: () => boolean): void {
  const timer = setTimeout(() => {
    if (isDue()) socket.destroy();
  }, peerMs);
  socket.once("close", () => clearTimeout(timer));
}
