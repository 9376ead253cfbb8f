import type { Socket } from "node:net";
import { type CallCredentials, ChannelCredentials, type ChannelOptions, type experimental } from "@grpc/grpc-js";

/** An HTTP/2 server's first frame, its SETTINGS, has at least this many bytes. */
const settingsBytes = 9;

/**
 * Credentials that give up a connection whose peer does not begin to talk HTTP/2 in time. grpc-js has no such timeout: a
 * peer that accepts connections and stays silent would hold a channel for ever. Credentials are the one place where
 * grpc-js hands out the sockets that it connects with.
 */
export class ConnectTimeoutCredentials extends ChannelCredentials {
  readonly #inner: ChannelCredentials;
  readonly #timeoutMs: number;

  /** `timeoutMs` counts from the TCP connection on. TLS, if any, is within it. */
  constructor(inner: ChannelCredentials, timeoutMs: number) {
    super();
    this.#inner = inner;
    this.#timeoutMs = timeoutMs;
  }

  override _isSecure(): boolean {
    return this.#inner._isSecure();
  }

  override _equals(other: ChannelCredentials): boolean {
    return (
      other instanceof ConnectTimeoutCredentials &&
      this.#timeoutMs === other.#timeoutMs &&
      this.#inner._equals(other.#inner)
    );
  }

  override _createSecureConnector(
    target: experimental.GrpcUri,
    options: ChannelOptions,
    callCredentials?: CallCredentials,
  ): experimental.SecureConnector {
    const connector = this.#inner._createSecureConnector(target, options, callCredentials);
    return {
      connect: (socket) => this.#connect(socket, connector),
      waitForReady: () => connector.waitForReady(),
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => connector.destroy(),
    };
  }

  async #connect(socket: Socket, connector: experimental.SecureConnector): Promise<experimental.SecureConnectResult> {
    // What has been read as HTTP/2: of the encrypted socket's bytes, those of the handshake do not count.
    let http2: Socket | undefined;
    const timer = setTimeout(() => {
      if (http2 !== undefined && http2.bytesRead >= settingsBytes) return;
      socket.destroy(new Error(`the peer did not begin to talk HTTP/2 within ${this.#timeoutMs} ms`));
    }, this.#timeoutMs);
    timer.unref();
    socket.once("close", () => clearTimeout(timer));
    const connected = await connector.connect(socket);
    http2 = connected.socket;
    return connected;
  }
}
