import { parseAddress } from "./address.ts";
import type { Instance } from "./registry.ts";

/** Whether a text can name a service: lower case letters, digits, `-`, `_` and `.`, a letter first, at most 63. */
export function isServiceName(text: string): boolean {
  return /^[a-z][a-z0-9._-]{0,62}$/.test(text);
}

/** An instance of which nothing is known but where it is: its address is its id, its weight 100. */
export function bareInstance(service: string, address: string): Instance {
  return { service, id: address, address, zone: "", version: "", weight: 100, startedAt: 0 };
}

/**
 * Reads an instance that came from elsewhere, or checks one of our own. What may be unknown may be missing, a weight too
 * (100); what is not part of an instance is dropped. Throws an `Error` that names the field and what it must be.
 */
export function readInstance(value: unknown): Instance {
  if (typeof value !== "object" || value === null) throw new Error("an instance must be an object");
  const {
    service,
    id,
    address,
    zone = "",
    version = "",
    weight = 100,
    startedAt = 0,
  } = value as Record<string, unknown>;
  if (typeof service !== "string" || !isServiceName(service))
    throw new Error("an instance's service must be lower case, a letter first, at most 63 characters");
  // The id is a part of keys, where `/` separates.
  if (typeof id !== "string" || !/^[!-.0-~]{1,128}$/.test(id))
    throw new Error("an instance's id must be 1 to 128 visible ASCII characters without /");
  if (typeof address !== "string" || parseAddress(address) === undefined)
    throw new Error("an instance's address must be HOST:PORT, an IPv6 address in brackets");
  if (typeof zone !== "string" || zone.length > 128)
    throw new Error("an instance's zone must be text of at most 128 characters");
  if (typeof version !== "string" || version.length > 128)
    throw new Error("an instance's version must be text of at most 128 characters");
  if (!isWhole(weight, 1, 1_000)) throw new Error("an instance's weight must be a whole number from 1 to 1,000");
  if (!isWhole(startedAt, 0, Number.MAX_SAFE_INTEGER))
    throw new Error("an instance's startedAt must be milliseconds since the epoch, or 0");
  return { service, id, address, zone, version, weight, startedAt };
}

function isWhole(value: unknown, min: number, max: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= min && value <= max;
}

/** What makes two announcements one: the service and the id. */
export function instanceKey({ service, id }: Pick<Instance, "service" | "id">): string {
  return `${service}/${id}`;
}

/** Whether two lists say the same, in whatever order. */
export function isSameInstances(a: readonly Instance[], b: readonly Instance[]): boolean {
  if (a.length !== b.length) return false;
  const texts = new Set(a.map(textOf));
  return b.every((instance) => texts.has(textOf(instance)));
}

function textOf({ service, id, address, zone, version, weight, startedAt }: Instance): string {
  return JSON.stringify([service, id, address, zone, version, weight, startedAt]);
}
