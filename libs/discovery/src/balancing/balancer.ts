import { Ejection, type EjectionEvent } from "./ejection.ts";
import type { CallTraits, Endpoint, Outcome } from "./endpoint.ts";
import { hashText } from "./hash.ts";
import { Member } from "./member.ts";
import { type BalancingOptions, defaultBalancingOptions, requireBalancingOptions } from "./options.ts";
import { PendingCall } from "./pending-call.ts";
import { ConsistentHash } from "./policies/consistent-hash.ts";
import { leastRequest } from "./policies/least-request.ts";
import { p2cEwma } from "./policies/p2c-ewma.ts";
import type { Policy } from "./policies/policy.ts";
import { RoundRobin } from "./policies/round-robin.ts";
import { WeightedRoundRobin } from "./policies/weighted-round-robin.ts";

/** How many times its share of the calls a zone is trusted to take, as Envoy's overprovisioning factor. */
const overprovisioning = 1.4;
/** Over how many calls what is typical is averaged. */
const typicalCalls = 64;

/** Whether an endpoint is to be chosen for a call. Must be quick, and do nothing. */
export type Accepts = (endpoint: Endpoint) => boolean;

/**
 * Chooses an endpoint for each call of one client, and learns from how the calls end.
 *
 *  - Endpoints that fail while others do not are out, and probed until they are well again ({@link Ejection}).
 *  - Of the rest those of the client's own zone are chosen, while enough of the zone is left: when `h` of its `k` known
 *    endpoints can be called, `1.4 h / k` of the calls stay (all, from 5 of 7 on); the others leave the zone. They also do
 *    while nobody in the zone has room, and come in when nobody outside can be called.
 *  - Among these the policy chooses, passing over who has no room. When nobody has any, it chooses all the same.
 *
 * Pure: it does nothing by itself, and two with the same calls, times and random numbers choose the same.
 */
export class Balancer {
  readonly #options: BalancingOptions;
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #ejection: Ejection | undefined;
  readonly #members = new WeakMap<Endpoint, Member>();
  readonly #near: Policy;
  readonly #far: Policy;
  readonly #ledger = {
    started: (call: PendingCall) => this.#started(call),
    ended: (call: PendingCall, outcome: Outcome | undefined) => this.#ended(call, outcome),
  };
  #ready: readonly Member[] = [];
  #knownNear = 0;
  /** Which part of the calls stays in the zone. */
  #nearShare = 1;
  #hasKnownAny = false;
  #isStale = false;
  /** What the endpoints that calls go to are expected to take. */
  #typicalMs = 0;
  #learntCalls = 0;

  /**
   * Options that are left out are those of {@link defaultBalancingOptions}; throws a `RangeError` for those out of range.
   * `now` tells milliseconds since the epoch and never goes back, such as `performance.timeOrigin + performance.now()`;
   * `random` numbers from 0 to below 1. `onEjection` is told at once, and must not throw.
   */
  constructor(
    options: Partial<BalancingOptions>,
    now: () => number,
    random: () => number,
    onEjection?: (event: EjectionEvent) => void,
  ) {
    this.#options = { ...defaultBalancingOptions, ...options };
    requireBalancingOptions(this.#options);
    this.#now = now;
    this.#random = random;
    const { ejection } = this.#options;
    const changed = (event: EjectionEvent) => {
      this.#isStale = true;
      onEjection?.(event);
    };
    if (ejection !== false) this.#ejection = new Ejection(ejection, random, changed);
    this.#near = this.#createPolicy();
    this.#far = this.#createPolicy();
  }

  /**
   * From now on calls go to `ready`: endpoints that are connected. `known` are all that there are, those among them; by
   * default the same. Endpoints of earlier updates go on with what is known of them.
   *
   * One that is known for the first time starts slowly, from its `startedAt` on. Where that is unknown, or to come by
   * this machine's clock, it counts from now, and those of the first update that knows any are taken to be warm.
   */
  update(ready: readonly Endpoint[], known: readonly Endpoint[] = ready): void {
    const now = this.#now();
    for (const endpoint of known) this.#memberOf(endpoint, now);
    this.#ready = ready.map((endpoint) => this.#memberOf(endpoint, now));
    this.#knownNear = known.filter((endpoint) => this.#isNear(endpoint)).length;
    this.#hasKnownAny ||= known.length > 0;
    this.#ejection?.update(this.#ready, now);
    this.#regroup();
  }

  /**
   * Chooses an endpoint for a call, which is in flight from now on; only one that `accepts` it, if that is given. Undefined
   * when there is none among those that are ready and not ejected.
   */
  pick(call: CallTraits, accepts?: Accepts): PendingCall | undefined {
    const now = this.#now();
    const due = this.#ejection?.due(now);
    const probed = due === undefined || accepts === undefined || accepts(due.endpoint) ? due : undefined;
    if (this.#isStale) this.#regroup();
    const member = probed ?? this.#choose(call, now, accepts);
    if (member === undefined) return undefined;
    const pending = this.#begin(call, member, now);
    if (member === probed) this.#ejection?.probing(member, pending);
    return pending;
  }

  /**
   * Chooses among those that are ejected, for a call that no other endpoint accepts: to try one of them is better than to
   * fail. It is no probe. Undefined when none accepts it.
   */
  pickEjected(call: CallTraits, accepts: Accepts): PendingCall | undefined {
    const out = this.#ready.filter((one) => this.#ejection?.isOut(one) === true && accepts(one.endpoint));
    const [member] = out.toSorted(
      (a, b) => Number(hasRoom(b)) - Number(hasRoom(a)) || a.endpoint.inFlight - b.endpoint.inFlight,
    );
    return member && this.#begin(call, member, this.#now());
  }

  #begin(call: CallTraits, member: Member, now: number): PendingCall {
    const pending = new PendingCall(this.#ledger, member, now, call.streaming);
    member.endpoint.inFlight += 1;
    if (!call.streaming) member.calls.push(pending);
    return pending;
  }

  #choose(call: CallTraits, now: number, accepts: Accepts | undefined): Member | undefined {
    const [first, second] = this.#staysNear(call) ? [this.#near, this.#far] : [this.#far, this.#near];
    const isAccepted = accepts && ((member: Member) => accepts(member.endpoint));
    const fits = accepts === undefined ? hasRoom : (member: Member) => hasRoom(member) && accepts(member.endpoint);
    return (
      first.choose(call, now, fits) ??
      second.choose(call, now, fits) ??
      first.choose(call, now, isAccepted) ??
      second.choose(call, now, isAccepted)
    );
  }

  #staysNear({ hashKey }: CallTraits): boolean {
    if (this.#nearShare >= 1) return true;
    // A key stays on its side.
    const draw = hashKey === undefined ? this.#random() : hashText(hashKey) / 2 ** 32;
    return draw < this.#nearShare;
  }

  #started(call: PendingCall): void {
    const { calls } = call.member;
    if (!call.streaming) calls.delete(call);
    call.since = this.#now();
    if (!call.streaming) calls.push(call);
  }

  #ended(call: PendingCall, outcome: Outcome | undefined): void {
    const { member } = call;
    const now = this.#now();
    member.endpoint.inFlight -= 1;
    if (!call.streaming) member.calls.delete(call);
    if (outcome !== undefined) this.#learn(call, outcome, now);
    this.#ejection?.ended(call, outcome, now);
  }

  #learn({ member, since, streaming }: PendingCall, outcome: Outcome, now: number): void {
    if (outcome !== "neutral") member.failures.observe(outcome === "failure", now);
    if (streaming) return;
    const took = now - since;
    const expected = member.latency.read(now, this.#typicalMs);
    // Unless it succeeded, it would have taken as long at least, and nobody knows how much longer: no call that fails or
    // is cancelled makes an endpoint look fast.
    member.latency.observe(outcome === "success" ? took : Math.max(took, expected), now, this.#typicalMs);
    const learnt = member.latency.read(now, this.#typicalMs);
    // The first calls weigh alike, lest the very first one be typical for long.
    this.#learntCalls = Math.min(typicalCalls, this.#learntCalls + 1);
    this.#typicalMs += (learnt - this.#typicalMs) / this.#learntCalls;
  }

  /** Divides those that may be called into near and far. */
  #regroup(): void {
    this.#isStale = false;
    const members = this.#ready.filter((member) => this.#ejection?.isOut(member) !== true);
    const near = members.filter(({ endpoint }) => this.#isNear(endpoint));
    this.#near.update(near);
    this.#far.update(members.filter(({ endpoint }) => !this.#isNear(endpoint)));
    this.#nearShare = near.length === 0 ? 0 : (overprovisioning * near.length) / this.#knownNear;
  }

  #isNear({ zone }: Endpoint): boolean {
    return this.#options.zone === "" || zone === this.#options.zone;
  }

  #memberOf(endpoint: Endpoint, now: number): Member {
    let member = this.#members.get(endpoint);
    if (member === undefined) {
      const { startedAt } = endpoint;
      const seenSince = this.#hasKnownAny ? now : Number.NEGATIVE_INFINITY;
      member = new Member(endpoint, startedAt > 0 && startedAt <= now ? startedAt : seenSince, this.#options);
      this.#members.set(endpoint, member);
    }
    return member;
  }

  #createPolicy(): Policy {
    switch (this.#options.policy) {
      case "round_robin":
        return new RoundRobin(this.#random);
      case "weighted_round_robin":
        return new WeightedRoundRobin(this.#random);
      case "least_request":
        return leastRequest(this.#random);
      case "p2c_ewma":
        return p2cEwma(() => this.#typicalMs, this.#random);
      case "consistent_hash":
        return new ConsistentHash(this.#random);
    }
  }
}

function hasRoom({ endpoint }: Member): boolean {
  return endpoint.hasRoom();
}
