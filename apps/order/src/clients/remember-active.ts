import { createContext, newId, runWithContext, systemTimers, type Timers } from "@shoal/kernel";
import { LRUCache } from "lru-cache";
import type { UserDirectory } from "../domain/ports.ts";

/** Users that are remembered. */
const maxCached = 10_000;

/**
 * A directory that remembers for `forMs` milliseconds, from when it asked, that a user was active: so much later at most a
 * deactivation is known. Nothing else is remembered. 0: nothing at all. Whoever asks when half of that time is over is
 * answered at once, and has the directory asked again meanwhile, so that nobody waits who orders often.
 */
export function rememberActive(
  directory: UserDirectory,
  forMs: number,
  timers: Pick<Timers, "now"> = systemTimers,
): UserDirectory {
  if (forMs === 0) return directory;
  const active = new LRUCache<string, true>({ max: maxCached, ttl: forMs, ttlResolution: 0, perf: timers });
  const askedAhead = new Set<string>();

  const ask = async (userId: string): Promise<boolean | undefined> => {
    const askedAt = timers.now();
    const isActive = await directory.isActive(userId);
    if (isActive === true) active.set(userId, true, { start: askedAt });
    else active.delete(userId);
    return isActive;
  };

  const askAhead = async (userId: string): Promise<void> => {
    askedAhead.add(userId);
    try {
      // Not a part of the call that it was noticed in, which may end before.
      await runWithContext(createContext({ requestId: newId(), deadline: Date.now() + forMs }), () => ask(userId));
    } catch {
      // Who comes when the time is over learns what is wrong.
    } finally {
      askedAhead.delete(userId);
    }
  };

  return {
    isActive: async (userId) => {
      if (active.get(userId) !== true) return await ask(userId);
      if (active.getRemainingTTL(userId) < forMs / 2 && !askedAhead.has(userId)) void askAhead(userId);
      return true;
    },
  };
}
