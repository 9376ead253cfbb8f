import type { Resolver } from "node:dns/promises";
import { formatAddress } from "../../address.ts";
import { bareInstance } from "../../instance.ts";
import type { Instance } from "../../registry.ts";
import { type DnsTarget, nameFor } from "./dns-target.ts";

/** What DNS says of a service. */
export interface Answer {
  readonly instances: readonly Instance[];
  /** How long all of it is good for, in seconds. Undefined when there is nothing. */
  readonly ttl: number | undefined;
}

interface Address {
  readonly host: string;
  readonly ttl: number;
}

/**
 * Asks who serves `service`. A name that does not exist, or has no such records, is an empty answer; anything else that goes
 * wrong rejects, for then nothing has been learnt.
 *
 * A records count; AAAA records only where there are no A records, so that an instance with both is there once. Of SRV
 * records those with the lowest priority value count (RFC 2782), and the largest of their weights is 100 here.
 */
export async function lookUp(resolver: Resolver, target: DnsTarget, service: string): Promise<Answer> {
  const name = nameFor(target.name, service);
  if (target.records === "address") {
    const addresses = await addressesOf(resolver, name);
    const instances = addresses.map(({ host }) => bareInstance(service, formatAddress({ host, port: target.port })));
    return { instances, ttl: shortest(addresses) };
  }
  const records = await orNone(resolver.resolveSrv(name));
  const priority = Math.min(...records.map((record) => record.priority));
  const first = records.filter((record) => record.priority === priority);
  const heaviest = Math.max(...first.map(({ weight }) => weight));
  const found = await Promise.all(
    first.map(async ({ name: host, port, weight }) => ({
      port,
      weight: heaviest === 0 ? 100 : Math.max(1, Math.round((weight / heaviest) * 100)),
      addresses: await addressesOf(resolver, host),
    })),
  );
  const instances = found.flatMap(({ port, weight, addresses }) =>
    addresses.map(({ host }) => ({ ...bareInstance(service, formatAddress({ host, port })), weight })),
  );
  return { instances, ttl: shortest(found.flatMap(({ addresses }) => addresses)) };
}

async function addressesOf(resolver: Resolver, name: string): Promise<readonly Address[]> {
  const [four, six] = await Promise.allSettled([
    orNone(resolver.resolve4(name, { ttl: true })),
    orNone(resolver.resolve6(name, { ttl: true })),
  ]);
  if (four.status === "rejected") throw four.reason;
  if (four.value.length > 0) return four.value.map(({ address, ttl }) => ({ host: address, ttl }));
  if (six.status === "rejected") throw six.reason;
  return six.value.map(({ address, ttl }) => ({ host: address, ttl }));
}

async function orNone<T>(answer: Promise<T[]>): Promise<T[]> {
  try {
    return await answer;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOTFOUND" || code === "ENODATA") return [];
    throw error;
  }
}

function shortest(addresses: readonly Address[]): number | undefined {
  return addresses.length === 0 ? undefined : Math.min(...addresses.map(({ ttl }) => ttl));
}
