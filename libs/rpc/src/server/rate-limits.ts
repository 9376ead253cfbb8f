import { requireInteger } from "@shoal/kernel";
import {
  KeyedLimiter,
  LeakyBucket,
  type RateLimiter,
  rateLimited,
  SlidingWindow,
  TokenBucket,
} from "@shoal/resilience";
import type { MethodPolicy, RateLimitPolicy } from "../policy.ts";
import type { HandlerContext } from "./handlers.ts";
import type { ServerMiddleware } from "./server-layers.ts";

/** Takes a call from what a limit allows; throws for one that is too much, and may let it wait. */
type Limit = (context: HandlerContext) => void | Promise<void>;

/** The widest last: whoever is over its own limit takes nothing of what others share. */
const keysInOrder: readonly RateLimitPolicy["key"][] = ["caller", "address", "everybody"];

/** Those that let calls wait last: nobody waits for a turn that another limit of the same width refuses. */
const algorithmsInOrder: readonly RateLimitPolicy["algorithm"][] = ["token_bucket", "sliding_window", "leaky_bucket"];

/**
 * Throws a `RangeError` that names the method and the field for rate limits that cannot be kept to: they may have come from
 * code, where no contract's rules have been at them.
 */
export function requireRateLimits(policies: ReadonlyMap<string, MethodPolicy>): void {
  for (const [path, { rateLimits }] of policies) {
    try {
      for (const policy of rateLimits) requireRateLimit(policy, path);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new RangeError(`the rate limits of ${path}: ${why}`, { cause: error });
    }
  }
}

function requireRateLimit(policy: RateLimitPolicy, path: string): void {
  const { callsPerSecond, burst, key, algorithm } = policy;
  if (!(callsPerSecond > 0 && callsPerSecond <= 1_000_000))
    throw new RangeError(`callsPerSecond must be a number above 0 to 1000000, not ${callsPerSecond}`);
  requireInteger("burst", burst, 1, 1_000_000);
  if (!keysInOrder.includes(key)) throw new RangeError(`key must be one of ${keysInOrder.join(", ")}, not ${key}`);
  if (!algorithmsInOrder.includes(algorithm))
    throw new RangeError(`algorithm must be one of ${algorithmsInOrder.join(", ")}, not ${algorithm}`);
  // What else the limiters ask for is theirs to know.
  limitOf(policy, path);
}

/**
 * Keeps the calls of each method within the rate limits of its policy, those of one caller first and those of everybody
 * last, in whatever order they stand. They are counted from the first call on; a policy
 * that changes its limits begins anew, and one that changes something else goes on.
 */
export function rateLimits(): ServerMiddleware {
  /** By path within each: the same policies may have been given for several methods. */
  const known = new WeakMap<readonly RateLimitPolicy[], Map<string, readonly Limit[]>>();
  const limitsOf = (policies: readonly RateLimitPolicy[], path: string) => {
    const limits = policies.toSorted(inOrder).map((policy) => limitOf(policy, path));
    const byPath = known.get(policies);
    if (byPath === undefined) known.set(policies, new Map([[path, limits]]));
    else byPath.set(path, limits);
    return limits;
  };
  return (context, next) => {
    const { rateLimits } = context.policy;
    if (rateLimits.length === 0) return next();
    const limits = known.get(rateLimits)?.get(context.path) ?? limitsOf(rateLimits, context.path);
    return within(limits, context, next);
  };
}

function inOrder(a: RateLimitPolicy, b: RateLimitPolicy): number {
  return (
    keysInOrder.indexOf(a.key) - keysInOrder.indexOf(b.key) ||
    algorithmsInOrder.indexOf(a.algorithm) - algorithmsInOrder.indexOf(b.algorithm)
  );
}

async function within(limits: readonly Limit[], context: HandlerContext, next: () => Promise<void>): Promise<void> {
  for (const limit of limits) await limit(context);
  await next();
}

function limitOf(policy: RateLimitPolicy, path: string): Limit {
  const { key, algorithm, callsPerSecond: perSecond, burst } = policy;
  const name = `${path} for ${whose[key]}`;
  switch (algorithm) {
    case "token_bucket":
      return refusing(policy, name, () => new TokenBucket({ perSecond, burst }));
    case "sliding_window": {
      const windowMs = Math.max(1, Math.round((burst / perSecond) * 1_000));
      return refusing(policy, name, () => new SlidingWindow({ limit: burst, windowMs }));
    }
    case "leaky_bucket": {
      const create = () => new LeakyBucket({ name, perSecond, maxWaiting: burst });
      const bucketOf = limiterFor(key, create);
      return (context) =>
        bucketOf(context).acquire({ signal: context.signal, timeoutMs: Math.max(0, context.deadline - Date.now()) });
    }
  }
}

/** Whose calls a limit counts together, for people. */
const whose: Readonly<Record<RateLimitPolicy["key"], string>> = {
  everybody: "everybody",
  caller: "one caller",
  address: "one address",
};

function refusing<L extends RateLimiter>({ key }: RateLimitPolicy, name: string, create: () => L): Limit {
  const limiterOf = limiterFor(key, create);
  return (context) => {
    const waitMs = limiterOf(context).tryAcquire();
    if (waitMs > 0) throw rateLimited(name, waitMs);
  };
}

/** The limiter that a call is counted by. */
function limiterFor<L extends RateLimiter>(
  key: RateLimitPolicy["key"],
  create: () => L,
): (context: HandlerContext) => L {
  if (key === "everybody") {
    const limiter = create();
    return () => limiter;
  }
  const limiters = new KeyedLimiter<string, L>({ create });
  if (key === "address") return ({ peer }) => limiters.limiterOf(hostOf(peer.address));
  // A known caller's name is not to be taken for an address.
  return ({ identity, peer }) =>
    limiters.limiterOf(identity === undefined ? hostOf(peer.address) : `caller ${identity.subject}`);
}

/** Each connection has a port of its own. */
function hostOf(address: string): string {
  const port = address.lastIndexOf(":");
  return port < 0 ? address : address.slice(0, port);
}
