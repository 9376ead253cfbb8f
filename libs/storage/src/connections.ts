import { currentContext } from "@shoal/kernel";
import type { Lease, Pool, PoolOptions, PoolSettings } from "@shoal/pool";
import type { Dialect } from "kysely";

/** How one engine is used: what speaks its language, and its connections, which the dialect takes from the pool. */
export interface Engine {
  readonly dialect: Dialect;
  /** Whoever made the engine drains it. */
  readonly pool: Pick<Pool<unknown>, "stats" | "wanted" | "borrowers" | "drain">;
}

/** The part of a pool's settings that is not the engine's own. */
export type ConnectionSettings = Partial<Omit<PoolSettings, "name">> &
  Pick<PoolSettings, "openTimeoutMs"> &
  Pick<PoolOptions<never>, "onEvent">;

/**
 * A connection for the call that is being served: it waits no longer than the call, and the call's request id says in leak
 * reports who has it. Rejects as `Pool.acquire` does.
 */
export async function leaseForCall<C>(pool: Pool<C>): Promise<Lease<C>> {
  const context = currentContext();
  if (context === undefined) return await pool.acquire();
  const { deadline, signal, requestId } = context;
  return await pool.acquire({ deadline, signal, borrower: requestId });
}
