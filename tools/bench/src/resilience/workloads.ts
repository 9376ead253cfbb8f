import {
  AdaptiveThrottle,
  type Breaker,
  CircuitBreaker,
  KeyedLimiter,
  LeakyBucket,
  type RateLimiter,
  SlidingWindow,
  TokenBucket,
  withBreaker,
} from "@shoal/resilience";
import {
  type CircuitBreakerPolicy,
  ConsecutiveBreaker,
  circuitBreaker,
  handleAll,
  type IBreaker,
  SamplingBreaker,
} from "cockatiel";
import Opossum from "opossum";

/** Whose work is measured; `bare` is what is left when nobody's is. */
export type ResilienceSubject = "bare" | "cockatiel" | "opossum" | "shoal";

/** What is done alike, and compared. */
export type WorkloadGroup = "breaker" | "call" | "refused-call" | "limit";

/** Does it so many times, and checks that it does what it is meant to. */
export type Repeat = (times: number) => void | Promise<void>;

/** Something that is done again and again, in a process of its own. */
export interface Workload {
  readonly group: WorkloadGroup;
  readonly name: string;
  readonly subject: ResilienceSubject;
  readonly what: string;
  /** Makes what is needed; called once. */
  readonly prepare: () => Repeat | Promise<Repeat>;
}

const second = 1_000;
const hour = 3_600 * second;

/** Breakers alike: half of at least 20 calls of the last 10 seconds, the default of ours. */
const windowMs = 10 * second;
const failureRate = 0.5;
const minimumCalls = 20;

export const workloads: readonly Workload[] = [
  {
    group: "breaker",
    name: "closed",
    subject: "shoal",
    what: "closed: permit and end",
    prepare: () => permits(new CircuitBreaker()),
  },
  {
    group: "breaker",
    name: "closed-count",
    subject: "shoal",
    what: "closed, of the last 100 calls",
    prepare: () => permits(new CircuitBreaker({ window: { kind: "count", calls: 100 } })),
  },
  {
    group: "breaker",
    name: "closed-slow",
    subject: "shoal",
    what: "closed, slow calls counted",
    prepare: () => permits(new CircuitBreaker({ slowCallMs: second })),
  },
  {
    group: "breaker",
    name: "closed-many",
    subject: "shoal",
    what: "closed, 1,000 breakers of all kinds in turn",
    prepare: () => {
      const kinds: readonly (() => Breaker)[] = [
        () => new CircuitBreaker(),
        () => new CircuitBreaker({ window: { kind: "count", calls: 100 } }),
        () => new CircuitBreaker({ slowCallMs: second }),
        () => new AdaptiveThrottle(),
      ];
      return permits(...Array.from({ length: 250 }, () => kinds.map((create) => create())).flat());
    },
  },
  {
    group: "breaker",
    name: "open",
    subject: "shoal",
    what: "open: refusal",
    prepare: () => refusals(openBreaker()),
  },
  {
    group: "breaker",
    name: "throttle",
    subject: "shoal",
    what: "throttle: permit and end",
    prepare: () => permits(new AdaptiveThrottle()),
  },
  {
    group: "breaker",
    name: "throttle-refusing",
    subject: "shoal",
    what: "throttle: refusal",
    prepare: () => refusals(refusingThrottle()),
  },
  { group: "call", name: "bare", subject: "bare", what: "no breaker", prepare: () => calls(answer) },
  {
    group: "call",
    name: "shoal",
    subject: "shoal",
    what: "withBreaker, circuit breaker",
    prepare: () => {
      const breaker = new CircuitBreaker();
      return calls(() => withBreaker(breaker, answer));
    },
  },
  {
    group: "call",
    name: "shoal-throttle",
    subject: "shoal",
    what: "withBreaker, throttle",
    prepare: () => {
      const throttle = new AdaptiveThrottle();
      return calls(() => withBreaker(throttle, answer));
    },
  },
  {
    group: "call",
    name: "cockatiel",
    subject: "cockatiel",
    what: "cockatiel, SamplingBreaker",
    prepare: () => {
      const policy = cockatiel(samplingBreaker());
      return calls(() => policy.execute(answer));
    },
  },
  {
    group: "call",
    name: "cockatiel-consecutive",
    subject: "cockatiel",
    what: "cockatiel, ConsecutiveBreaker",
    prepare: () => {
      const policy = cockatiel(new ConsecutiveBreaker(minimumCalls));
      return calls(() => policy.execute(answer));
    },
  },
  {
    group: "call",
    name: "opossum",
    subject: "opossum",
    what: "opossum",
    prepare: () => {
      const breaker = opossum();
      return calls(() => breaker.fire());
    },
  },
  {
    group: "refused-call",
    name: "shoal",
    subject: "shoal",
    what: "withBreaker",
    prepare: () => {
      const breaker = openBreaker();
      return refusedCalls(() => withBreaker(breaker, answer));
    },
  },
  {
    group: "refused-call",
    name: "cockatiel",
    subject: "cockatiel",
    what: "cockatiel",
    prepare: async () => {
      const policy = cockatiel(new ConsecutiveBreaker(1));
      await policy.execute(() => Promise.reject(new Error("opens it"))).catch(() => {});
      return refusedCalls(() => policy.execute(answer));
    },
  },
  {
    group: "refused-call",
    name: "opossum",
    subject: "opossum",
    what: "opossum",
    prepare: () => {
      const breaker = opossum();
      breaker.open();
      return refusedCalls(() => breaker.fire());
    },
  },
  {
    group: "limit",
    name: "token-bucket",
    subject: "shoal",
    what: "token bucket",
    prepare: () => decisions(new TokenBucket({ perSecond: 1e9, burst: 1e9 }), true),
  },
  {
    group: "limit",
    name: "token-bucket-refusing",
    subject: "shoal",
    what: "token bucket, empty",
    prepare: () => {
      const bucket = new TokenBucket({ perSecond: 1 / 3_600 });
      bucket.tryAcquire();
      return decisions(bucket, false);
    },
  },
  {
    group: "limit",
    name: "sliding-window",
    subject: "shoal",
    what: "sliding window",
    prepare: () => decisions(new SlidingWindow({ limit: 1e9, windowMs: second }), true),
  },
  {
    group: "limit",
    name: "leaky-bucket",
    subject: "shoal",
    what: "leaky bucket, nobody waits",
    prepare: () => decisions(new LeakyBucket({ perSecond: 1e9 }), true),
  },
  {
    group: "limit",
    name: "keyed",
    subject: "shoal",
    what: "token buckets of 10,000 keys",
    prepare: () => {
      const limiter = new KeyedLimiter<string>({ create: () => new TokenBucket({ perSecond: 1e9, burst: 1e9 }) });
      const keys = Array.from({ length: 10_000 }, (_, n) => `user-${n}`);
      let next = 0;
      return decisions(
        {
          tryAcquire: () => {
            next = next + 1 === keys.length ? 0 : next + 1;
            return limiter.tryAcquire(keys[next] ?? "");
          },
        },
        true,
      );
    },
  },
];

const answer = async () => 1;

function openBreaker(): Breaker {
  const breaker = new CircuitBreaker({ minimumCalls: 1, openMs: hour });
  breaker.tryAcquire()?.end("failure");
  return breaker;
}

/** One that refuses whenever it may; so long a window that it keeps doing so. */
function refusingThrottle(): Breaker {
  const options = { windowMs: hour, probeEveryMs: Number.POSITIVE_INFINITY, random: () => 0 };
  const throttle = new AdaptiveThrottle(options);
  for (let n = 0; n < minimumCalls; n += 1) throttle.tryAcquire()?.end("failure");
  return throttle;
}

function cockatiel(breaker: IBreaker): CircuitBreakerPolicy {
  return circuitBreaker(handleAll, { halfOpenAfter: hour, breaker });
}

function samplingBreaker(): IBreaker {
  return new SamplingBreaker({ threshold: failureRate, duration: windowMs, minimumRps: minimumCalls / 10 });
}

/** Without what the others do not do either: a timeout for each call, percentiles of latencies, and snapshots of figures. */
function opossum(): Opossum<number> {
  return new Opossum(answer, {
    timeout: false,
    rollingPercentilesEnabled: false,
    enableSnapshots: false,
    errorThresholdPercentage: failureRate * 100,
    volumeThreshold: minimumCalls,
    rollingCountTimeout: windowMs,
    rollingCountBuckets: 10,
    resetTimeout: hour,
  });
}

/** Of each breaker in turn. */
function permits(...breakers: readonly Breaker[]): Repeat {
  let turn = 0;
  return (times) => {
    for (let n = 0; n < times; n += 1) {
      const permit = breakers[turn]?.tryAcquire();
      turn = turn + 1 === breakers.length ? 0 : turn + 1;
      if (permit === undefined) throw new Error("refused");
      permit.end("success");
    }
  };
}

function refusals(breaker: Breaker): Repeat {
  return (times) => {
    for (let n = 0; n < times; n += 1) if (breaker.tryAcquire() !== undefined) throw new Error("let through");
  };
}

function calls(call: () => Promise<number>): Repeat {
  return async (times) => {
    for (let n = 0; n < times; n += 1) if ((await call()) !== 1) throw new Error("answered something else");
  };
}

function refusedCalls(call: () => Promise<number>): Repeat {
  return async (times) => {
    for (let n = 0; n < times; n += 1) if (!(await isRefused(call))) throw new Error("let through");
  };
}

async function isRefused(call: () => Promise<number>): Promise<boolean> {
  try {
    await call();
    return false;
  } catch {
    return true;
  }
}

function decisions(limiter: Pick<RateLimiter, "tryAcquire">, letsThrough: boolean): Repeat {
  return (times) => {
    for (let n = 0; n < times; n += 1)
      if ((limiter.tryAcquire() === 0) !== letsThrough) throw new Error(letsThrough ? "refused" : "let through");
  };
}
