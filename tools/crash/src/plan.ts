import { type CrashPoint, randomFrom } from "@shoal/kernel";

/** A crash, and how it comes about. */
export type Cycle =
  /** An instance, at a point that it comes to for the nth time. */
  | { readonly kind: "point"; readonly instance: string; readonly point: CrashPoint; readonly nth: number }
  /** An instance, killed after so many milliseconds. */
  | { readonly kind: "kill"; readonly instance: string; readonly afterMs: number }
  /** The database server, killed after so many milliseconds, and started again after so many more. */
  | { readonly kind: "database"; readonly afterMs: number; readonly awayMs: number };

const all = ["order", "inventory", "user"];

/** Which instances crash at each point, and how often at the most they come to it before: seldom where few come by. */
const crashing: Readonly<Record<CrashPoint, { readonly instances: readonly string[]; readonly maxNth: number }>> = {
  "before-commit": { instances: all, maxNth: 10 },
  "after-commit": { instances: all, maxNth: 10 },
  "before-reply": { instances: all, maxNth: 10 },
  "after-reply": { instances: all, maxNth: 10 },
  "before-publish": { instances: all, maxNth: 3 },
  "after-publish": { instances: all, maxNth: 3 },
  // It is ten seconds until an instance prunes: the first one has other points to go to.
  "mid-prune": { instances: ["order-2"], maxNth: 1 },
  "between-halves": { instances: ["order"], maxNth: 1 },
  "after-hold": { instances: ["order"], maxNth: 10 },
  "mid-answers": { instances: ["order"], maxNth: 5 },
  "after-intent": { instances: ["order"], maxNth: 5 },
  "after-hold-end": { instances: ["order"], maxNth: 5 },
  "mid-settle": { instances: ["order"], maxNth: 3 },
  "mid-reserve": { instances: ["inventory"], maxNth: 5 },
  "mid-hold-end": { instances: ["inventory"], maxNth: 5 },
  "mid-expiry": { instances: ["inventory"], maxNth: 2 },
};

/** The instances that are killed at any moment. */
const killed = ["order-2", "inventory-2", "user-2"] as const;

const killEvery = 7;
const killDatabaseEvery = 10;
const maxPauseMs = 500;

/**
 * So many crashes, in an order and at moments that the seed decides: every point of every service in turn, and kills
 * between, of the database only where it may be killed.
 */
export function planCycles(cycles: number, seed: number, mayKillDatabase = true): readonly Cycle[] {
  const random = randomFrom(seed);
  const pauseMs = () => Math.floor(random() * maxPauseMs);
  const plan: Cycle[] = [];
  let round: Cycle[] = [];
  for (let number = 1; number <= cycles; number += 1) {
    if (mayKillDatabase && number % killDatabaseEvery === 0)
      plan.push({ kind: "database", afterMs: pauseMs(), awayMs: pauseMs() });
    else if (number % killEvery === 0) {
      const instance = killed[Math.floor(random() * killed.length)] ?? killed[0];
      plan.push({ kind: "kill", instance, afterMs: pauseMs() });
    } else {
      if (round.length === 0) round = everyPoint(random);
      plan.push(round.pop() as Cycle);
    }
  }
  return plan;
}

/**
 * Every point once, where several services have it in one of them, by turns; those that take long first, and the database in the midst
 * of that.
 */
export function planEveryPointOnce(seed: number): readonly Cycle[] {
  const isLong = (cycle: Cycle) => cycle.kind === "point" && cycle.point === "mid-prune";
  const chosen = new Set(
    Object.entries(crashing).map(([point, { instances }], at) => `${instances[at % instances.length]} ${point}`),
  );
  const plan = everyPoint(randomFrom(seed))
    .filter((cycle) => cycle.kind === "point" && chosen.has(`${cycle.instance} ${cycle.point}`))
    .toSorted((one, other) => Number(isLong(other)) - Number(isLong(one)));
  return plan.toSpliced(plan.length >> 1, 0, { kind: "database", afterMs: 0, awayMs: 0 });
}

function everyPoint(random: () => number): Cycle[] {
  const cycles = Object.entries(crashing).flatMap(([point, { instances, maxNth }]) =>
    instances.map((instance): Cycle => {
      const nth = 1 + Math.floor(random() * maxNth);
      return { kind: "point", instance, point: point as CrashPoint, nth };
    }),
  );
  // Fisher and Yates.
  for (let last = cycles.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    [cycles[last], cycles[other]] = [cycles[other] as Cycle, cycles[last] as Cycle];
  }
  return cycles;
}
