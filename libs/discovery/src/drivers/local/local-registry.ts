import { connect, type Socket } from "node:net";
import { formatAddress, type HostAndPort } from "../../address.ts";
import { backoffMs } from "../../backoff.ts";
import { asError, type ProblemListener, registryClosed, registryUnavailable, warnOfProblem } from "../../errors.ts";
import { instanceKey, isServiceName, readInstance } from "../../instance.ts";
import { LineReader } from "../../line-reader.ts";
import type { Instance, Registry, RegistryListener } from "../../registry.ts";
import { Watchers } from "../../watchers.ts";
import { type LocalRequest, maxMessageLength, readMessage } from "./protocol.ts";

/** How a client of the local registry behaves. */
export interface LocalRegistryOptions {
  /** How long a connection attempt and a request may take, in milliseconds. */
  readonly timeoutMs: number;
  /** The longest wait between two attempts to reconnect, in milliseconds. */
  readonly maxBackoffMs: number;
  /** Told of what no caller waits for: an announcement that was refused after a reconnect. */
  readonly onProblem: ProblemListener;
}

/** Two seconds, one second, and warnings of the process. */
export const defaultLocalRegistryOptions: LocalRegistryOptions = Object.freeze({
  timeoutMs: 2_000,
  maxBackoffMs: 1_000,
  onProblem: warnOfProblem,
});

/** A client of the registry that {@link createLocalRegistryServer} serves. It connects when it is first needed. */
export function createLocalRegistry(at: HostAndPort, options: Partial<LocalRegistryOptions> = {}): Registry {
  return new LocalRegistry(at, { ...defaultLocalRegistryOptions, ...options });
}

type Unnumbered<R> = R extends LocalRequest ? Omit<R, "n"> : never;
type Ask = Unnumbered<LocalRequest>;

/** A connection, from the moment it is tried. */
interface Connection {
  readonly socket: Socket;
  /** Rejects when it cannot be made. */
  readonly ready: Promise<void>;
}

/**
 * States: *idle* (nothing asked yet) → *connecting* → *connected*; when a connection fails or ends → *waiting* →
 * *connecting*. With each connection all is announced and watched anew. {@link close} → *closed*, from any.
 */
class LocalRegistry implements Registry {
  readonly #at: HostAndPort;
  readonly #options: LocalRegistryOptions;
  readonly #announced = new Map<string, Instance>();
  readonly #watched = new Map<string, RegistryListener>();
  readonly #watchers: Watchers;
  readonly #asked = new Map<number, PromiseWithResolvers<void>>();
  #lastAsked = 0;
  #connection: Connection | undefined;
  #failures = 0;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(at: HostAndPort, options: LocalRegistryOptions) {
    this.#at = at;
    this.#options = options;
    this.#watchers = new Watchers((service, listener) => this.#watch(service, listener));
  }

  async register(instance: Instance): Promise<void> {
    if (this.#closed) throw registryClosed();
    const read = readInstance(instance);
    this.#announced.set(instanceKey(read), read);
    await this.#connect().ready;
    // Another call may have taken it back meanwhile.
    if (this.#announced.get(instanceKey(read)) === read) await this.#ask({ do: "register", instance: read });
  }

  async deregister(instance: Instance): Promise<void> {
    const known = this.#announced.get(instanceKey(instance));
    this.#announced.delete(instanceKey(instance));
    // Without a connection it is gone already. One on which this request fails is cut, and the announcement with it.
    if (known !== undefined && this.#isConnected())
      await this.#ask({ do: "deregister", instance: known }).catch(() => {});
  }

  watch(service: string, listener: RegistryListener): () => void {
    return this.#watchers.watch(service, listener);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#watchers.close();
    await Promise.all([...this.#announced.values()].map((instance) => this.deregister(instance)));
    clearTimeout(this.#retry);
    this.#connection?.socket.destroy();
  }

  #watch(service: string, listener: RegistryListener): () => void {
    if (!isServiceName(service)) {
      listener.onInstances([]);
      return () => {};
    }
    this.#watched.set(service, listener);
    if (this.#isConnected()) this.#askAgain({ do: "watch", service });
    else if (this.#retry === undefined) this.#connect();
    else listener.onError(this.#unavailable("it is not connected; the next attempt follows"));
    return () => {
      this.#watched.delete(service);
      if (this.#isConnected()) this.#askAgain({ do: "unwatch", service });
    };
  }

  #isConnected(): boolean {
    return this.#connection !== undefined && this.#connection.socket.readyState === "open";
  }

  /** The present connection, or a new one. */
  #connect(): Connection {
    if (this.#connection !== undefined) return this.#connection;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const socket = connect({ ...this.#at, noDelay: true });
    const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
    // Whoever waits for it is told; so are the watchers.
    ready.catch(() => {});
    const connection = { socket, ready };
    this.#connection = connection;
    let reason: Error | undefined;
    const reader = new LineReader(maxMessageLength);
    socket.setEncoding("utf8");
    socket.setTimeout(this.#options.timeoutMs, () => socket.destroy(new Error("it does not answer")));
    socket.once("connect", () => {
      socket.setTimeout(0);
      this.#sayAll();
      resolve();
    });
    socket.on("data", (text: string) => {
      try {
        for (const line of reader.push(text)) this.#receive(line);
      } catch (error) {
        socket.destroy(new Error(`it does not speak our protocol (${asError(error).message})`));
      }
    });
    socket.on("error", (error) => {
      reason = error;
    });
    socket.once("close", () => {
      this.#connection = undefined;
      const error = this.#unavailable(reason?.message ?? "it has ended the connection", reason);
      reject(error);
      for (const { reject: fail } of this.#asked.values()) fail(error);
      this.#asked.clear();
      if (this.#closed) return;
      this.#failures += 1;
      for (const listener of this.#watched.values()) listener.onError(error);
      this.#retry = setTimeout(() => this.#connect(), backoffMs(this.#failures, 50, this.#options.maxBackoffMs));
    });
    return connection;
  }

  /** Says on a new connection what was said on earlier ones. */
  #sayAll(): void {
    for (const instance of this.#announced.values()) this.#askAgain({ do: "register", instance });
    for (const service of this.#watched.keys()) this.#askAgain({ do: "watch", service });
  }

  #receive(line: string): void {
    const message = readMessage(line);
    // Only now: one that accepts and ends at once must not be tried without end at short intervals.
    this.#failures = 0;
    if ("service" in message) {
      this.#watched.get(message.service)?.onInstances(message.instances);
      return;
    }
    const asked = this.#asked.get(message.re);
    this.#asked.delete(message.re);
    if (message.error === undefined) asked?.resolve();
    else asked?.reject(new Error(`the registry ${formatAddress(this.#at)} refuses: ${message.error}`));
  }

  /** Asks, and resolves when it is done. A request that is not answered in time ends the connection. */
  async #ask(ask: Ask): Promise<void> {
    const { socket } = this.#connect();
    this.#lastAsked += 1;
    const n = this.#lastAsked;
    const asked = Promise.withResolvers<void>();
    this.#asked.set(n, asked);
    const timer = setTimeout(() => socket.destroy(new Error("it does not answer")), this.#options.timeoutMs);
    try {
      socket.write(`${JSON.stringify({ ...ask, n })}\n`);
      await asked.promise;
    } finally {
      clearTimeout(timer);
      this.#asked.delete(n);
    }
  }

  /** Asks what no caller waits for. A lost connection is no problem: it is asked again on the next. */
  #askAgain(ask: Ask): void {
    this.#ask(ask).catch((error: Error) => {
      if (this.#isConnected()) this.#options.onProblem(error);
    });
  }

  #unavailable(why: string, cause?: Error): Error {
    return registryUnavailable(`local://${formatAddress(this.#at)}`, why, cause);
  }
}
