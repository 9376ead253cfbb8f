// What the local registry's server and its clients say to each other: one JSON object a line, UTF-8, over TCP.
import { isServiceName, readInstance } from "../../instance.ts";
import type { Instance } from "../../registry.ts";

/** The longest line that a client may send, in characters. */
export const maxRequestLength = 4_096;

/** The longest line that a server may send, in characters: some ten thousand instances. */
export const maxMessageLength = 16 * 1_024 * 1_024;

/** What a client asks. `n` is the asker's number for it, which the reply carries. */
export type LocalRequest =
  | { readonly do: "register"; readonly n: number; readonly instance: Instance }
  | { readonly do: "deregister"; readonly n: number; readonly instance: Instance }
  | { readonly do: "watch"; readonly n: number; readonly service: string }
  | { readonly do: "unwatch"; readonly n: number; readonly service: string };

/** What the server says: that request `re` is done or why it is not; or who serves `service` now. */
export type LocalMessage =
  | { readonly re: number; readonly error?: string }
  | { readonly service: string; readonly instances: readonly Instance[] };

/** Reads a client's line. Throws an `Error` that says what is wrong with it. */
export function readRequest(line: string): LocalRequest {
  const { do: what, n, instance, service } = readObject(line);
  if (typeof n !== "number" || !Number.isSafeInteger(n)) throw new Error("n must be a whole number");
  if (what === "register" || what === "deregister") return { do: what, n, instance: readInstance(instance) };
  if (what !== "watch" && what !== "unwatch") throw new Error("do must be register, deregister, watch or unwatch");
  if (typeof service !== "string" || !isServiceName(service)) throw new Error("service must be a service's name");
  return { do: what, n, service };
}

/** Reads a server's line. Throws an `Error` that says what is wrong with it. */
export function readMessage(line: string): LocalMessage {
  const { re, error, service, instances } = readObject(line);
  if (typeof re === "number") return typeof error === "string" ? { re, error } : { re };
  if (typeof service === "string" && Array.isArray(instances))
    return { service, instances: instances.map(readInstance) };
  throw new Error("neither a reply nor a list of instances");
}

function readObject(line: string): Record<string, unknown> {
  const value: unknown = JSON.parse(line);
  if (typeof value !== "object" || value === null) throw new Error("not an object");
  return value as Record<string, unknown>;
}
