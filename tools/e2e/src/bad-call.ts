import type { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import type { OrderService } from "@shoal/contracts/order/v1/order_service";
import type { UserService } from "@shoal/contracts/user/v1/user_service";
import type { Client } from "@shoal/rpc";

/** A client of each service. */
export interface Clients {
  readonly user: Client<typeof UserService>;
  readonly inventory: Client<typeof InventoryService>;
  readonly order: Client<typeof OrderService>;
}

/** A call that must fail, and how. */
export interface BadCall {
  /** `CreateUser`; names are unique across the services. */
  readonly rpc: string;
  /** What is wrong with it. */
  readonly when: string;
  readonly call: (clients: Clients) => Promise<unknown>;
  /** The gRPC code by name. */
  readonly code: string;
  readonly reason: string;
  /** The service that owns the reason, where it is not the one that is called. */
  readonly domain?: string;
  /** The field paths of the BadRequest, in any order; given exactly when the code is INVALID_ARGUMENT. */
  readonly fields?: readonly string[];
  /** What the ErrorInfo's metadata must hold, among other things. */
  readonly metadata?: Readonly<Record<string, string>>;
}

type Call = BadCall["call"];

/** A call that breaks a rule of the contract. */
export function invalid(rpc: string, when: string, fields: readonly string[], call: Call): BadCall {
  return { rpc, when, call, code: "INVALID_ARGUMENT", reason: "INVALID_REQUEST", fields };
}

/** A call that a rule of a service forbids. */
export function refused(
  rpc: string,
  when: string,
  code: string,
  reason: string,
  call: Call,
  more: Pick<BadCall, "domain" | "fields" | "metadata"> = {},
): BadCall {
  return { rpc, when, call, code, reason, ...more };
}

/** For a call that has no deadline of its own: one that does not end is cancelled, and so fails as nothing should. */
export const bounded = () => ({ signal: AbortSignal.timeout(5_000) });

/** Reads a stream to its end. */
export async function readAll<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

/** The messages of a stream that a client sends. */
export async function* send<T>(...messages: readonly T[]): AsyncGenerator<T, void, undefined> {
  yield* messages;
}

/** A UUID that nobody has. */
export const unknownId = "00000000-0000-4000-8000-000000000000";

/** Text of `length` characters. */
export const long = (length: number): string => "x".repeat(length);

/** `count` different UUIDs. */
export const uuids = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `00000000-0000-4000-8000-${String(i).padStart(12, "0")}`);

/** `count` different SKUs that no product has. */
export const skus = (count: number): string[] => Array.from({ length: count }, (_, i) => `NO-${i}`);

/** Ways in which an id of visible ASCII characters, at most `max` of them, can be wrong. */
export const badVisibleAscii = (max: number): readonly (readonly [string, string])[] => [
  ["missing", ""],
  ["too long", long(max + 1)],
  ["with a space", "a b"],
  ["not ASCII", "clé"],
];

/** Ways in which a SKU can be wrong. */
export const badSkus: readonly (readonly [string, string])[] = [
  ["missing", ""],
  ["too long", long(65)],
  ["malformed", "-TEA"],
  ["with a line break", "TEA\n"],
];

/** Ways in which a UUID can be wrong. */
export const badUuids: readonly (readonly [string, string])[] = [
  ["missing", ""],
  ["malformed", "42"],
  ["too long", `${unknownId}0`],
];
