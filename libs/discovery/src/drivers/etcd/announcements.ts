import { backoffMs } from "../../backoff.ts";
import { asError, type ProblemListener } from "../../errors.ts";
import { type EtcdAnswer, type EtcdGateway, EtcdRefusal } from "./etcd-gateway.ts";
import { fromBase64, toBase64 } from "./follow-prefix.ts";

/**
 * Keeps entries in etcd for as long as this process lives, under one lease. What ought to be there and what is there are
 * compared at each change and with each renewal of the lease, three in its time, and the difference is made good: so
 * whatever became of the lease or the entries meanwhile (etcd away, restarted, emptied, restored; the lease expired or
 * revoked; an entry deleted by hand) they are back soon after etcd is.
 *
 * States: *idle* (nothing to keep, no lease) → *keeping*, in turns of comparing and waiting → *closed*.
 */
export class Announcements {
  readonly #gateway: EtcdGateway;
  readonly #ttlMs: number;
  readonly #onProblem: ProblemListener;
  /** What ought to be there: value by key. */
  readonly #wanted = new Map<string, string>();
  /** What has been written under the present lease. */
  readonly #written = new Map<string, string>();
  readonly #stop = new AbortController();
  #lease: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  /** The comparison at work. */
  #running: Promise<void> | undefined;
  /** The one after it, which all that changes meanwhile waits for. */
  #next: Promise<void> | undefined;

  /** `ttlMs`: the life of a lease that is not renewed; etcd counts in whole seconds. */
  constructor(gateway: EtcdGateway, ttlMs: number, onProblem: ProblemListener) {
    this.#gateway = gateway;
    this.#ttlMs = ttlMs;
    this.#onProblem = onProblem;
  }

  /** Resolves when the entry is there. Rejects when it cannot be written now; it will be once it can. */
  put(key: string, value: string): Promise<void> {
    this.#wanted.set(key, value);
    return this.#compareSoon();
  }

  /** Resolves when the entry is gone. Rejects when it cannot be deleted now; it will be once it can, or expire. */
  async delete(key: string): Promise<void> {
    if (this.#wanted.delete(key)) await this.#compareSoon();
  }

  /** Ends the lease, and the entries with it; when etcd is away, they expire by themselves. Never rejects. */
  async close(): Promise<void> {
    this.#wanted.clear();
    this.#stop.abort();
    await this.#next?.catch(() => {});
    await this.#running?.catch(() => {});
    clearTimeout(this.#timer);
    if (this.#lease !== undefined) await this.#revoke(this.#lease);
  }

  /** Asks all members at once, and takes the first answer: one that hangs must not use up the time that close may take. */
  async #revoke(lease: string): Promise<void> {
    const done = new AbortController();
    const asked = this.#gateway.endpoints.map((endpoint) =>
      this.#gateway.callAt(endpoint, "/v3/lease/revoke", { ID: lease }, done.signal),
    );
    await Promise.any(asked).catch(() => {});
    done.abort();
  }

  /** Compares once what is at work is done: that may have looked already. */
  #compareSoon(): Promise<void> {
    if (this.#next !== undefined) return this.#next;
    const next = (async () => {
      await this.#running?.catch(() => {});
      this.#next = undefined;
      this.#running = this.#compareInTurn();
      await this.#running;
    })();
    this.#next = next;
    return next;
  }

  /** Compares, and sets the time of the next turn. */
  async #compareInTurn(): Promise<void> {
    clearTimeout(this.#timer);
    let waitMs = this.#ttlMs / 3;
    try {
      await this.#compare();
      this.#failures = 0;
    } catch (error) {
      this.#failures += 1;
      waitMs = backoffMs(this.#failures, 100, waitMs);
      if (this.#failures === 1 && !this.#stop.signal.aborted) this.#onProblem(asError(error));
      throw error;
    } finally {
      if (this.#wanted.size > 0 || this.#written.size > 0)
        this.#timer = setTimeout(() => this.#compareSoon().catch(() => {}), waitMs);
    }
  }

  async #compare(): Promise<void> {
    const there = await this.#renew();
    for (const [key, value] of this.#wanted) {
      if (there.has(key) && this.#written.get(key) === value) continue;
      await this.#call("/v3/kv/put", { key: toBase64(key), value: toBase64(value), lease: await this.#leaseOrNew() });
      this.#written.set(key, value);
    }
    for (const key of there) {
      if (this.#wanted.has(key)) continue;
      await this.#call("/v3/kv/deleterange", { key: toBase64(key) });
      this.#written.delete(key);
    }
    // What somebody else has deleted is gone as well: a lease with nothing to keep must end.
    for (const key of this.#written.keys()) if (!this.#wanted.has(key) && !there.has(key)) this.#written.delete(key);
  }

  /** Renews the lease. The keys under it: none when there is none, or no more. */
  async #renew(): Promise<ReadonlySet<string>> {
    if (this.#lease !== undefined) {
      const { result } = await this.#call("/v3/lease/keepalive", { ID: this.#lease });
      // One that has expired, or never was, has no time left.
      if (Number((result as EtcdAnswer | undefined)?.["TTL"] ?? 0) > 0) {
        const { TTL: ttl, keys } = await this.#call("/v3/lease/timetolive", { ID: this.#lease, keys: true });
        if (Number(ttl) > 0) return new Set(Array.isArray(keys) ? keys.map(fromBase64) : []);
      }
      this.#forgetLease();
    }
    return new Set();
  }

  async #leaseOrNew(): Promise<string> {
    if (this.#lease !== undefined) return this.#lease;
    const { ID: id } = await this.#call("/v3/lease/grant", { TTL: String(Math.ceil(this.#ttlMs / 1_000)) });
    if (typeof id !== "string") throw new Error("etcd grants a lease without an id");
    this.#lease = id;
    return id;
  }

  #forgetLease(): void {
    this.#lease = undefined;
    this.#written.clear();
  }

  async #call(path: string, body: object): Promise<EtcdAnswer> {
    try {
      return await this.#gateway.call(path, body, this.#stop.signal);
    } catch (error) {
      // The lease has gone between its renewal and this: the next turn begins with a new one.
      if (error instanceof EtcdRefusal && error.code === 5) this.#forgetLease();
      throw error;
    }
  }
}
