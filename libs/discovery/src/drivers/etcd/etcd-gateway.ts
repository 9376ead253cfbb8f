import { type IncomingMessage, request as requestPlain } from "node:http";
import { request as requestTls } from "node:https";
import { formatAddress, type HostAndPort } from "../../address.ts";
import { asError, registryUnavailable } from "../../errors.ts";
import { LineReader } from "../../line-reader.ts";

/** The longest line of an answer, in characters: a list of some ten thousand instances. */
const maxLineLength = 32 * 1_024 * 1_024;

/** etcd has understood and refuses: another member would, too. */
export class EtcdRefusal extends Error {
  override readonly name = "EtcdRefusal";
  /** gRPC's status code; 5 (NOT_FOUND) is a lease that has expired or was revoked. */
  readonly code: number;

  constructor(message: string, code: number) {
    super(message);
    this.code = code;
  }
}

/** What TLS is made of, in PEM. */
export interface EtcdTls {
  /** Who vouches for the members. Those that Node trusts, unless given. */
  readonly ca?: string;
  /** Our own certificate, where etcd asks for one, and its key. */
  readonly cert?: string;
  readonly key?: string;
}

/** One JSON object that etcd answered. Its 64-bit numbers are texts, its keys and values base64; zeros are left out. */
export type EtcdAnswer = Readonly<Record<string, unknown>>;

/**
 * Speaks with an etcd cluster through the JSON gateway that is part of each member (v3 API, etcd 3.4 or later). Each
 * request has a connection of its own, so none waits behind one that hangs, and a time limit. One member is asked until it
 * fails, then the next; the first is chosen at random.
 */
export class EtcdGateway {
  readonly endpoints: readonly HostAndPort[];
  readonly #timeoutMs: number;
  readonly #tls: EtcdTls | undefined;
  #index: number;
  #probe: { readonly endpoint: HostAndPort; readonly at: number; readonly answered: Promise<void> } | undefined;

  /** `endpoints`: at least one. `timeoutMs`: how long one member may take to answer. Without `tls`: plain HTTP. */
  constructor(endpoints: readonly HostAndPort[], timeoutMs: number, tls?: EtcdTls) {
    this.endpoints = endpoints;
    this.#timeoutMs = timeoutMs;
    this.#tls = tls;
    this.#index = Math.floor(Math.random() * endpoints.length);
  }

  /** The member that is asked now. */
  get endpoint(): HostAndPort {
    const endpoint = this.endpoints[this.#index];
    if (endpoint === undefined) throw new Error("an etcd registry needs at least one endpoint");
    return endpoint;
  }

  /** Goes on to the next member, unless somebody else has already. */
  leave(endpoint: HostAndPort): void {
    if (this.endpoint === endpoint) this.#index = (this.#index + 1) % this.endpoints.length;
  }

  /**
   * Asks one member after the other until one answers. For requests that may be repeated. Rejects with an
   * {@link EtcdRefusal}, or with `unavailable` when none answers.
   */
  async call(path: string, body: object, signal: AbortSignal): Promise<EtcdAnswer> {
    let failure: unknown;
    for (let attempt = 0; attempt < this.endpoints.length; attempt++) {
      const endpoint = this.endpoint;
      try {
        return await this.callAt(endpoint, path, body, signal);
      } catch (error) {
        if (signal.aborted || error instanceof EtcdRefusal) throw error;
        failure = error;
        this.leave(endpoint);
      }
    }
    throw this.unavailable(asError(failure));
  }

  /** Asks this member. Rejects when it does not answer in time, or refuses. */
  async callAt(endpoint: HostAndPort, path: string, body: object, signal: AbortSignal): Promise<EtcdAnswer> {
    for await (const answer of this.stream(endpoint, path, body, signal)) return answer;
    throw new Error(`${formatAddress(endpoint)}: it has ended the connection without an answer`);
  }

  /** Asks this member for what it says again and again, without end. The first answer must come in time. */
  async *stream(
    endpoint: HostAndPort,
    path: string,
    body: object,
    signal: AbortSignal,
  ): AsyncGenerator<EtcdAnswer, void, undefined> {
    const limit = new AbortController();
    const abort = () => limit.abort(signal.reason);
    const silent = new Error(`${formatAddress(endpoint)}: it does not answer within ${this.#timeoutMs} ms`);
    const timer = setTimeout(() => limit.abort(silent), this.#timeoutMs);
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
    try {
      for await (const answer of lines(await post(endpoint, this.#tls, path, body, limit.signal))) {
        clearTimeout(timer);
        yield answer;
      }
    } catch (error) {
      throw limit.signal.aborted ? limit.signal.reason : error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    }
  }

  /**
   * Whether a member answers, and is with the majority: a stream that brings nothing may have nothing to bring, or
   * nobody behind it. All who ask within `maxAgeMs` share one request. Rejects when it does not answer.
   */
  probe(endpoint: HostAndPort, maxAgeMs: number): Promise<void> {
    const now = performance.now();
    if (this.#probe?.endpoint !== endpoint || now - this.#probe.at > maxAgeMs) {
      // What one member remembers is not enough: such a read asks the majority.
      const body = { key: "AA==", count_only: true };
      const answered = this.callAt(endpoint, "/v3/kv/range", body, new AbortController().signal).then(() => {});
      this.#probe = { endpoint, at: now, answered };
    }
    return this.#probe.answered;
  }

  /** The error of a cluster none of whose members answers. */
  unavailable(cause: Error): Error {
    return registryUnavailable(
      `${this.#tls ? "etcds" : "etcd"}://${this.endpoints.map(formatAddress).join()}`,
      cause.message,
      cause,
    );
  }
}

/** Sends a request; answers its response once that begins. */
function post(
  endpoint: HostAndPort,
  tls: EtcdTls | undefined,
  path: string,
  body: object,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    // Without an agent, and so without a connection that has gone stale meanwhile.
    const options = { ...endpoint, path, method: "POST", agent: false, headers, signal };
    const request = tls === undefined ? requestPlain(options, resolve) : requestTls({ ...options, ...tls }, resolve);
    request
      .on("error", (error) => reject(new Error(`${formatAddress(endpoint)}: ${error.message}`, { cause: error })))
      .end(JSON.stringify(body));
  });
}

/** The objects of a response, one a line. Throws an {@link EtcdRefusal} where it is, or holds, an error of etcd's. */
async function* lines(response: IncomingMessage): AsyncGenerator<EtcdAnswer, void, undefined> {
  const reader = new LineReader(maxLineLength);
  response.setEncoding("utf8");
  const ok = response.statusCode === 200;
  let rest = "";
  for await (const text of response) {
    for (const line of reader.push(text as string)) yield read(line, ok);
    rest = reader.rest;
  }
  // Not every answer ends its last line.
  if (rest !== "") yield read(rest, ok);
  else if (!ok) throw new Error(`HTTP ${response.statusCode}`);
}

function read(line: string, ok: boolean): EtcdAnswer {
  const value = JSON.parse(line) as EtcdAnswer | null;
  if (typeof value !== "object" || value === null) throw new Error("not an answer of etcd's");
  const { error } = value;
  if (ok && error === undefined) return value;
  const { message = error, code, grpc_code = code } = (typeof error === "object" ? error : value) as EtcdAnswer;
  const text = `etcd says: ${typeof message === "string" ? message : line}`;
  // gRPC's codes: 14 is UNAVAILABLE, such as without a leader; 4 its own time limit; 13 and 2 faults. Others may do better.
  const status = Number(grpc_code);
  throw [2, 4, 13, 14].includes(status) ? new Error(text) : new EtcdRefusal(text, status);
}
