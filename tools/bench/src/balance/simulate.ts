import { Balancer, type BalancingOptions, Endpoint, type PendingCall } from "@shoal/discovery";
import { randomFrom } from "@shoal/kernel";
import { exponential, logNormal } from "./random.ts";
import type { Scenario } from "./scenarios.ts";
import { type Arrived, SimulatedServer } from "./simulated-server.ts";
import { Lane, Timetable } from "./timetable.ts";

/** The world that is simulated. */
export const world = Object.freeze({
  /** Balancers, each of which sees only its own calls. */
  clients: 5,
  /** Calls that an instance works on at a time. */
  workers: 4,
  /** What a healthy instance takes for a call, on average, log-normally distributed. */
  serviceMs: 20,
  serviceSigma: 0.7,
  /** How much of what all instances can do is asked of them. */
  utilisation: 0.65,
  /** The way to an instance, and as much back. */
  networkMs: 0.25,
  /** When a caller gives up: the call has failed. */
  timeoutMs: 2_000,
  /** What runs before anything is measured. */
  warmUpMs: 1_000,
  /** So many keys, equally frequent, for policies that heed them. */
  keys: 10_000,
});

/** One simulation. */
export interface Simulation {
  readonly instances: number;
  readonly scenario: Scenario;
  readonly balancing: Partial<BalancingOptions>;
  readonly seed: number;
  /** How long is measured, in simulated milliseconds. */
  readonly measuredMs: number;
}

/** What calls that began while it was measured met with. */
export interface SimulationResult {
  readonly calls: number;
  /** Of calls that were answered or timed out; those that an instance failed at once are no latency. In milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** The share of calls that failed or timed out. */
  readonly errors: number;
  /** What troubled instances were sent, as a part of their even share. */
  readonly troubledLoad: number;
  /** The most that an instance without trouble was sent, by the mean of those. */
  readonly maxLoad: number;
  /** The standard deviation of what instances without trouble were sent, by their mean. */
  readonly loadVariation: number;
}

interface Call extends Arrived {
  isWanted: boolean;
  readonly pending: PendingCall;
  readonly instance: number;
  readonly begunAt: number;
}

/** Plays a scenario through on a virtual clock. The same simulation has the same result, always. */
export function simulate({ instances, scenario, balancing, seed, measuredMs }: Simulation): SimulationResult {
  const random = randomFrom(seed);
  const troubled = scenario.name === "healthy" ? 0 : instances / 10;
  // Somewhere in the time of a real clock, in whole milliseconds; 0 is not a time when something can start.
  const origin = 1_000_000_000;
  let now = origin;
  const measuredFrom = origin + world.warmUpMs;
  const end = measuredFrom + measuredMs;

  const requests = new Lane<Call>(world.networkMs);
  const replies = new Lane<{ call: Call; failed: boolean }>(world.networkMs);
  const timeouts = new Lane<Call>(world.timeoutMs);
  const services = new Timetable<Call>();

  const begin = (call: Call) => {
    const slowness = call.instance < troubled ? scenario.slownessAt(now - measuredFrom) : 1;
    services.add(now + logNormal(world.serviceMs * slowness, world.serviceSigma, random), call);
  };
  const servers = Array.from({ length: instances }, () => new SimulatedServer<Call>(world.workers, begin));

  const clients = Array.from({ length: world.clients }, () => {
    const endpoints = servers.map((_, instance) => {
      const startedAt = scenario.joinsLate && instance < troubled ? measuredFrom : origin - 3_600_000;
      return new Endpoint({ address: `instance-${instance}`, zone: "", weight: 100, startedAt });
    });
    const balancer = new Balancer(balancing, () => now, randomFrom(Math.floor(random() * 2 ** 32)));
    balancer.update(scenario.joinsLate ? endpoints.slice(troubled) : endpoints);
    return { balancer, endpoints, instanceOf: new Map(endpoints.map((endpoint, index) => [endpoint, index])) };
  });

  const latencies: number[] = [];
  const sent = new Float64Array(instances);
  let calls = 0;
  let errors = 0;

  const settle = (call: Call, failed: boolean, isLatency: boolean) => {
    call.isWanted = false;
    call.pending.end(failed ? "failure" : "success");
    if (call.begunAt < measuredFrom || call.begunAt >= end) return;
    if (failed) errors += 1;
    if (isLatency) latencies.push(now - call.begunAt);
  };
  const callSomeone = () => {
    const client = clients[Math.floor(random() * clients.length)] as (typeof clients)[number];
    const key = Math.floor(random() * world.keys);
    const hashKey = balancing.policy === "consistent_hash" ? `key-${key}` : undefined;
    const pending = client.balancer.pick({ streaming: false, hashKey });
    if (pending === undefined) throw new Error("nobody to call");
    const instance = client.instanceOf.get(pending.endpoint) as number;
    const call = { isWanted: true, pending, instance, begunAt: now };
    requests.add(now, call);
    timeouts.add(now, call);
    if (now < measuredFrom) return;
    calls += 1;
    sent[instance] = (sent[instance] as number) + 1;
  };

  const betweenCallsMs = world.serviceMs / (instances * world.workers * world.utilisation);
  let arrivalAt = now + exponential(betweenCallsMs, random);
  let joinAt = scenario.joinsLate ? measuredFrom : Number.POSITIVE_INFINITY;
  for (;;) {
    const next = Math.min(arrivalAt, joinAt, requests.nextAt, replies.nextAt, services.nextAt, timeouts.nextAt);
    if (next === Number.POSITIVE_INFINITY) break;
    now = next;
    if (next === arrivalAt) {
      callSomeone();
      arrivalAt = now + exponential(betweenCallsMs, random);
      if (arrivalAt >= end) arrivalAt = Number.POSITIVE_INFINITY;
    } else if (next === joinAt) {
      for (const { balancer, endpoints } of clients) balancer.update(endpoints);
      joinAt = Number.POSITIVE_INFINITY;
    } else if (next === requests.nextAt) {
      const call = requests.take();
      const fails = call.instance < troubled && scenario.failsAt(now - measuredFrom);
      if (fails) replies.add(now, { call, failed: true });
      else (servers[call.instance] as SimulatedServer<Call>).arrive(call);
    } else if (next === services.nextAt) {
      const call = services.take();
      (servers[call.instance] as SimulatedServer<Call>).done();
      replies.add(now, { call, failed: false });
    } else if (next === replies.nextAt) {
      const { call, failed } = replies.take();
      if (call.isWanted) settle(call, failed, !failed);
    } else {
      const call = timeouts.take();
      if (call.isWanted) settle(call, true, true);
    }
  }

  const sorted = Float64Array.from(latencies).sort();
  const quantile = (part: number) => sorted[Math.floor((sorted.length - 1) * part)] ?? Number.NaN;
  const others = sent.subarray(troubled);
  const mean = others.reduce((sum, count) => sum + count, 0) / others.length;
  const variance = others.reduce((sum, count) => sum + (count - mean) ** 2, 0) / others.length;
  const toTroubled = sent.subarray(0, troubled).reduce((sum, count) => sum + count, 0);
  return {
    calls,
    p50: quantile(0.5),
    p99: quantile(0.99),
    errors: errors / calls,
    troubledLoad: troubled === 0 ? 1 : toTroubled / calls / (troubled / instances),
    maxLoad: others.reduce((most, count) => Math.max(most, count), 0) / mean,
    loadVariation: Math.sqrt(variance) / mean,
  };
}
