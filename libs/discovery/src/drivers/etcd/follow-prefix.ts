import { setTimeout as sleep } from "node:timers/promises";
import type { HostAndPort } from "../../address.ts";
import { backoffMs } from "../../backoff.ts";
import { asError } from "../../errors.ts";
import type { EtcdAnswer, EtcdGateway } from "./etcd-gateway.ts";

/** What {@link followPrefix} tells. */
export interface PrefixListener {
  /** All entries now, value by key: once at first, and whenever they may have changed. */
  onEntries(entries: ReadonlyMap<string, string>): void;
  /** No member could be followed just now. It goes on. */
  onError(error: Error): void;
}

/** How {@link followPrefix} behaves. */
export interface FollowOptions {
  /** How often a member is asked whether it is still there while it says nothing, in milliseconds. */
  readonly probeMs: number;
  /** The longest wait after all members have failed, in milliseconds. */
  readonly maxBackoffMs: number;
}

/**
 * Follows all entries whose key begins with `prefix`, until `signal` aborts. Resolves then, and never rejects.
 *
 * States: *listing* → *following* what has changed since the list's revision → *listing* anew, with the next member when
 * this one has failed. A list after each break, instead of going on from the last revision seen, is right whatever
 * happened meanwhile: changes that etcd has compacted away, and an etcd that lost its data, whose revisions begin again.
 */
export async function followPrefix(
  gateway: EtcdGateway,
  prefix: string,
  listener: PrefixListener,
  signal: AbortSignal,
  options: FollowOptions,
): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    const endpoint = gateway.endpoint;
    // Ends this attempt alone.
    const attempt = new AbortController();
    const abort = () => attempt.abort(signal.reason);
    signal.addEventListener("abort", abort);
    const probe = () => gateway.probe(endpoint, options.probeMs / 2).catch((error: unknown) => attempt.abort(error));
    const probing = setInterval(probe, options.probeMs);
    try {
      const following = followAt(gateway, endpoint, prefix, listener, attempt.signal);
      for await (const _ of following) failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      gateway.leave(endpoint);
      if (failures >= gateway.endpoints.length) listener.onError(gateway.unavailable(asError(error)));
    } finally {
      clearInterval(probing);
      signal.removeEventListener("abort", abort);
    }
    const rounds = Math.floor(failures / gateway.endpoints.length);
    if (failures === 0 || rounds > 0)
      await sleep(backoffMs(Math.max(1, rounds), 50, options.maxBackoffMs), undefined, { signal }).catch(() => {});
  }
}

/** Lists, then follows; yields whenever there is something to follow. Returns when it must be listed anew, throws when the member fails. */
async function* followAt(
  gateway: EtcdGateway,
  endpoint: HostAndPort,
  prefix: string,
  listener: PrefixListener,
  signal: AbortSignal,
): AsyncGenerator<void, void, undefined> {
  const range = { key: toBase64(prefix), range_end: toBase64(endOf(prefix)) };
  const list = await gateway.callAt(endpoint, "/v3/kv/range", range, signal);
  const revision = revisionOf(list);
  const entries = new Map<string, string>();
  for (const { key, value } of objects(list["kvs"])) entries.set(fromBase64(key), fromBase64(value));
  listener.onEntries(entries);
  const create_request = { ...range, start_revision: String(revision + 1) };
  for await (const { result } of gateway.stream(endpoint, "/v3/watch", { create_request }, signal)) {
    const [answer = {}] = objects([result]);
    // Compacted past our revision meanwhile, or another etcd than the one that was listed.
    if (answer["canceled"] === true || revisionOf(answer) < revision) return;
    const events = objects(answer["events"]);
    for (const { type, kv } of events) {
      const [{ key, value } = {}] = objects([kv]);
      if (type === "DELETE") entries.delete(fromBase64(key));
      else entries.set(fromBase64(key), fromBase64(value));
    }
    if (events.length > 0) listener.onEntries(entries);
    yield;
  }
  throw new Error("it has ended the watch");
}

/** The first key after all that begin with `prefix`. */
function endOf(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}

function revisionOf(answer: EtcdAnswer): number {
  const [header] = objects([answer["header"]]);
  const revision = Number(header?.["revision"]);
  if (!Number.isSafeInteger(revision))
    throw new Error("it answers without a revision: not an etcd of version 3.4 or later");
  return revision;
}

function objects(value: unknown): readonly EtcdAnswer[] {
  if (!Array.isArray(value)) return [];
  return value.filter((each): each is EtcdAnswer => typeof each === "object" && each !== null);
}

/** As the gateway takes keys and values. */
export function toBase64(text: string): string {
  return Buffer.from(text).toString("base64");
}

/** A key or value of the gateway's; empty ones are left out there. */
export function fromBase64(value: unknown): string {
  return typeof value === "string" ? Buffer.from(value, "base64").toString() : "";
}
