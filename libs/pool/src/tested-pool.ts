import type { Clock, Timers } from "@shoal/kernel";
import { Pool } from "./pool.ts";
import type { PoolEvent } from "./pool-events.ts";
import type { PoolOptions } from "./pool-options.ts";

/** A member for tests. */
export interface TestedMember {
  readonly number: number;
  closed: boolean;
}

/** A pool of members that are opened at once unless told otherwise, and all that happened to it. */
export function testedPool(clock: Clock & Timers, options: Partial<PoolOptions<TestedMember>> = {}) {
  const members: TestedMember[] = [];
  const events: PoolEvent[] = [];
  const pool = new Pool<TestedMember>({
    open: async () => openMember(),
    close: (member) => {
      if (member.closed) throw new Error(`member ${member.number} is closed twice`);
      member.closed = true;
    },
    // Once more than is open is in use: what is opened ahead of need is a matter of tests of its own.
    growAt: 1,
    idleMs: Number.POSITIVE_INFINITY,
    maxAgeMs: Number.POSITIVE_INFINITY,
    leakAfterMs: Number.POSITIVE_INFINITY,
    random: () => 0,
    ...options,
    clock,
    timers: clock,
    onEvent: (event) => events.push(event),
  });
  function openMember(): TestedMember {
    const member = { number: members.length + 1, closed: false };
    members.push(member);
    return member;
  }
  return {
    pool,
    members,
    openMember,
    /** Events of one type. */
    events: <T extends PoolEvent["type"]>(type: T) =>
      events.filter((event): event is Extract<PoolEvent, { type: T }> => event.type === type),
    /** The numbers of the members that are open. */
    open: () => members.filter(({ closed }) => !closed).map(({ number }) => number),
  };
}
