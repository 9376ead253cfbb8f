import type { ChannelOptions, experimental } from "@grpc/grpc-js";
import { maxDelayMs } from "@shoal/kernel";
import { type Lease, Pool } from "@shoal/pool";
import { Endpoint, type EndpointInit } from "../balancing/endpoint.ts";
import { Connection } from "./connection.ts";

/** A connection that is lost within this time was of no use, in milliseconds. */
const uselessMs = 1_000;

/** How long the third attempt waits when the two connections before were of no use, in milliseconds; each further one twice as long … */
const firstDelayMs = 100;

/** … and at most so long. */
const longestDelayMs = 2_000;

/** What the connections to an instance are made with, and tell. */
export interface ConnectionsInit {
  readonly address: experimental.Endpoint;
  /** Connections of another generation are never used anew. */
  readonly generation: number;
  readonly helper: experimental.ChannelControlHelper;
  readonly channelOptions: ChannelOptions;
  /** At most so many. */
  readonly maxConnections: number;
  /** After how long without calls one that is not needed is closed, in milliseconds. */
  readonly connectionIdleMs: number;
  /** Something is otherwise: whether there is a connection, or how much room. */
  onChange(): void;
}

/**
 * An instance with its connections: one at least, more when the streams that its server allows on them are nearly used up,
 * and fewer again when they are not needed. Calls on a connection that is closed finish. The owner closes it.
 */
export class ConnectedEndpoint extends Endpoint {
  /** Why the last attempt to connect failed; `undefined` while none has since there was a connection. */
  failure: string | undefined;
  readonly #init: ConnectionsInit;
  readonly #pool: Pool<Connection>;
  /** Those that are not closed, being made or there, by their numbers. */
  readonly #connections = new Map<number, Connection>();
  #hasTried = false;
  /** How many connections in a row were of no use. */
  #useless = 0;

  constructor(described: EndpointInit, init: ConnectionsInit) {
    super(described);
    this.#init = init;
    this.#pool = new Pool<Connection>({
      name: `connections to ${described.address}`,
      min: 1,
      max: init.maxConnections,
      concurrency: (connection) => connection.streamLimit,
      open: (signal) => this.#open(signal),
      close: (connection) => connection.close(),
      idleMs: init.connectionIdleMs,
      maxAgeMs: Number.POSITIVE_INFINITY,
      // grpc-js tries for as long as it takes, and streams may last.
      openTimeoutMs: maxDelayMs,
      leakAfterMs: Number.POSITIVE_INFINITY,
    });
    this.hasRoom = () => this.#pool.hasRoom;
  }

  /** Whether there is a connection. */
  get ready(): boolean {
    return this.#pool.stats.open > 0;
  }

  /** How many connections there are. */
  get connections(): number {
    return this.#pool.stats.open;
  }

  /** How many more calls the connections would take that may still be made, as far as those that there are tell. */
  get roomToCome(): number {
    const { open, capacity } = this.#pool.stats;
    return open === 0 ? 0 : (this.#init.maxConnections - open) * (capacity / open);
  }

  /** Room for one call, if there is some now. Has another connection made when there is little left. */
  take(): Lease<Connection> | undefined {
    return this.#pool.tryAcquire();
  }

  /** Asks the connections again how many calls they take. */
  refreshLimits(): void {
    for (const connection of this.#connections.values()) this.#pool.limitChanged(connection);
  }

  /** Closes all connections, at once: a channel that closes looks right after this which ones nobody needs any more. */
  close(): void {
    for (const connection of this.#connections.values()) connection.close();
    void this.#pool.drain(0);
  }

  /** Resolves once the connection is there: grpc-js itself tries again, at growing intervals. */
  #open(signal: AbortSignal): Promise<Connection> {
    const { address, generation, helper, channelOptions, onChange } = this.#init;
    const number = this.#freeNumber();
    const atOnce = !this.#hasTried;
    this.#hasTried = true;
    const uselessBefore = this.#useless;
    let readyAt = 0;
    return new Promise((resolve, reject) => {
      const connection: Connection = new Connection({
        endpoint: address,
        name: `${generation}.${number}`,
        helper,
        channelOptions,
        atOnce,
        onReady: () => {
          signal.removeEventListener("abort", giveUp);
          this.failure = undefined;
          readyAt = performance.now();
          resolve(connection);
          onChange();
        },
        onLost: () => {
          const isUseless = performance.now() - readyAt < uselessMs;
          this.#useless = isUseless ? Math.max(this.#useless, uselessBefore + 1) : 0;
          // One that is lost at once is not in the pool yet.
          if (!this.#pool.remove(connection)) setImmediate(() => this.#pool.remove(connection));
          helper.requestReresolution();
          onChange();
        },
        onFailed: (why) => {
          // Where others stand, that one more cannot be made is no failure of the instance.
          if (this.ready) return;
          this.failure = why;
          onChange();
        },
        onClosed: () => {
          clearTimeout(timer);
          this.#connections.delete(number);
        },
      });
      const giveUp = () => {
        connection.close();
        reject(signal.reason);
      };
      signal.addEventListener("abort", giveUp, { once: true });
      this.#connections.set(number, connection);
      // grpc-js waits after attempts that fail only.
      const delayMs = uselessBefore < 2 ? 0 : Math.min(longestDelayMs, firstDelayMs * 2 ** (uselessBefore - 2));
      if (delayMs > 0) this.failure = "it ends connections as soon as they are made";
      const timer = delayMs > 0 ? setTimeout(() => connection.connect(), delayMs).unref() : undefined;
      // Only now: it may be ready at once.
      if (timer === undefined) connection.connect();
    });
  }

  /** Small numbers come again: grpc-js keeps a connection that was closed for some seconds, and it may be used anew. */
  #freeNumber(): number {
    let number = 0;
    while (this.#connections.has(number)) number += 1;
    return number;
  }
}
