import { type ChannelOptions, experimental, Metadata, connectivityState as State, status } from "@grpc/grpc-js";
import type { Lease } from "@shoal/pool";
import type { BreakerPermit } from "@shoal/resilience";
import { Balancer } from "../balancing/balancer.ts";
import type { CallTraits, Endpoint, EndpointInit } from "../balancing/endpoint.ts";
import type { PendingCall } from "../balancing/pending-call.ts";
import { subset } from "../balancing/subset.ts";
import type { Instance } from "../registry.ts";
import { type BalancerState, balancerStateOption } from "./balancer-state.ts";
import { type BalancedCall, type CallGuard, callTraitsOf } from "./call-traits.ts";
import type { ClientBalancing } from "./client-balancing.ts";
import { ConnectedEndpoint } from "./connected-endpoint.ts";
import type { Connection } from "./connection.ts";
import { outcomeOf } from "./outcome.ts";
import { instancesAttribute, optionPrefix } from "./resolver.ts";

/** The balancer's name in a service config. */
const name = "shoal";

/** The channel option that holds the listener for instances that are ejected and come back. It must not throw. */
export const ejectionListenerOption = `${optionPrefix}.ejection-listener`;

/** The weight of an instance of which nobody says any. */
const usualWeight = 100;

/** How old the count of those who wait may become while others come, in milliseconds. */
const recountMs = 20;

/** How often it is asked, while calls wait for room, whether servers allow more of them now, in milliseconds. */
const refreshMs = 100;

/**
 * How many instances more are asked for leave once one has refused; those that surely refuse are not asked. Bounded, for a
 * pick must be quick however many instances there are.
 */
const maxRefusals = 4;

/** What is supposed of a call of which nothing is noted. */
const unary: CallTraits = Object.freeze({ streaming: false, hashKey: undefined });

const noEndpoints: readonly Endpoint[] = [];

/** Milliseconds since the epoch that never go back. */
const now = () => performance.timeOrigin + performance.now();

/** The part of a service config that chooses this balancer. */
export function loadBalancingConfig(options: ClientBalancing): object {
  return { [name]: options };
}

class Config implements experimental.TypedLoadBalancingConfig {
  readonly options: ClientBalancing;

  constructor(options: ClientBalancing) {
    this.options = options;
  }

  static createFromJson(options: ClientBalancing): Config {
    return new Config(options);
  }

  getLoadBalancerName(): string {
    return name;
  }

  toJsonObject(): object {
    return loadBalancingConfig(this.options);
  }
}

/**
 * Connects to all instances that the resolver names, and has a {@link Balancer} choose among those that are connected.
 * Instances that stay keep their connections and their history; calls on those that go finish. States: those of a
 * channel, READY as long as any instance is.
 */
class LoadBalancer implements experimental.LoadBalancer, experimental.Picker, BalancerState {
  readonly #helper: experimental.ChannelControlHelper;
  /** Those that the resolver has named, by what makes them what they are. */
  #endpoints = new Map<string, ConnectedEndpoint>();
  /** Picks of this turn of the event loop: one that grpc-js has not begun by its end is never begun. */
  readonly #picks: Pick[] = [];
  /** Connections of another generation are others for grpc-js. */
  #generation = 0;
  #options: ClientBalancing | undefined;
  #balancer: Balancer | undefined;
  #waiting = 0;
  /** Whether those who wait are being picked for, in their order. */
  #isPickingAgain = false;
  /** Whether one that could go anywhere has found no room since: who comes after it waits too. */
  #isFull = false;
  #servedAt = Number.NEGATIVE_INFINITY;
  #update: NodeJS.Immediate | undefined;
  #refresh: NodeJS.Timeout | undefined;

  constructor(helper: experimental.ChannelControlHelper) {
    this.#helper = helper;
  }

  get endpoints(): Iterable<ConnectedEndpoint> {
    return this.#endpoints.values();
  }

  get waiting(): number {
    return this.#waiting;
  }

  getTypeName(): string {
    return name;
  }

  updateAddressList(
    found: experimental.StatusOr<experimental.Endpoint[]>,
    config: experimental.TypedLoadBalancingConfig,
    channelOptions: ChannelOptions,
    note: string,
  ): boolean {
    if (!(config instanceof Config)) return false;
    const { options } = config;
    this.#options = options;
    if (this.#balancer === undefined) {
      this.#balancer = new Balancer(options, now, Math.random, channelOptions[ejectionListenerOption]);
      channelOptions[balancerStateOption]?.(this);
    }
    if (found.ok) {
      this.#connectTo(found.value, channelOptions, options);
      if (found.value.length === 0) this.#fail(note || "there are no instances");
      else this.#tellState();
      return true;
    }
    // Those that are known are the best there is.
    if (this.#endpoints.size === 0) this.#fail(found.error.details);
    return true;
  }

  exitIdle(): void {
    // It connects to everything at once, and again whenever a connection is lost.
  }

  resetBackoff(): void {
    // The connections' own.
  }

  destroy(): void {
    clearImmediate(this.#update);
    clearTimeout(this.#refresh);
    this.#refresh = undefined;
    for (const endpoint of this.#endpoints.values()) endpoint.close();
    this.#endpoints.clear();
  }

  pick({ metadata }: experimental.PickArgs): experimental.PickResult {
    // First come, first served; but who waits for the few instances that take its call holds nobody up.
    const noted = callTraitsOf(metadata);
    if (this.#isFull) return this.#wait(noted);
    const traits = this.#traitsOf(noted ?? unary, metadata);
    const guard = noted?.guard;
    let refusing = noEndpoints;
    do {
      const call = this.#choose(traits, noted, refusing);
      if (call === undefined) break;
      const permit = guard?.admit(call.endpoint);
      if (guard === undefined || permit !== undefined)
        return this.#begin(call, noted, permit) ?? this.#waitForRoom(noted, refusing.length === 0);
      call.abandon();
      refusing = [...refusing, call.endpoint];
    } while (refusing.length <= maxRefusals);
    if (noted === undefined || refusing.length === 0) return this.#wait(noted);
    noted.refusedForMs = this.#shortestRefusal(noted, refusing);
    return refused;
  }

  /** Of the instances that are not known to refuse the call the best one, preferably one where it has not been. */
  #choose(traits: CallTraits, noted: BalancedCall | undefined, refusing: readonly Endpoint[]): PendingCall | undefined {
    const balancer = this.#balancer;
    const avoid = noted?.avoid;
    // Better where it has been than to wait for room elsewhere.
    const isNew = (endpoint: Endpoint) => avoid?.includes(endpoint) === false && endpoint.hasRoom();
    if (refusing.length === 0) return (avoid && balancer?.pick(traits, isNew)) ?? balancer?.pick(traits);
    const accepts = (endpoint: Endpoint) => !refusing.includes(endpoint) && noted?.guard?.mayAdmit(endpoint) === true;
    return (
      (avoid && balancer?.pick(traits, (endpoint) => isNew(endpoint) && accepts(endpoint))) ??
      balancer?.pick(traits, accepts) ??
      balancer?.pickEjected(traits, accepts)
    );
  }

  /** `undefined` where the instance has no room. */
  #begin(
    call: PendingCall,
    noted: BalancedCall | undefined,
    permit: BreakerPermit | undefined,
  ): experimental.PickResult | undefined {
    const lease = (call.endpoint as ConnectedEndpoint).take();
    if (lease === undefined) {
      call.abandon();
      permit?.end("neutral");
      return undefined;
    }
    if (noted !== undefined) {
      noted.endpoint = call.endpoint;
      noted.permit = permit;
    }
    const pick = new Pick(call, lease, noted?.guard, permit, this.#onRoom);
    if (this.#picks.push(pick) === 1) setImmediate(this.#abandonPicks);
    return pick;
  }

  /** Of those that have refused the call, and those that surely would have; nobody knows of those that were not asked. */
  #shortestRefusal({ guard }: BalancedCall, refusing: readonly Endpoint[]): number {
    const shut = [...this.#endpoints.values()].filter((endpoint) => endpoint.ready && !guard?.mayAdmit(endpoint));
    return Math.min(...[...shut, ...refusing].map((endpoint) => guard?.closedForMs(endpoint) ?? 0));
  }

  #traitsOf(traits: CallTraits, metadata: Metadata): CallTraits {
    const hashMetadata = this.#options?.hashMetadata;
    if (!hashMetadata || traits.hashKey !== undefined) return traits;
    return { streaming: traits.streaming, hashKey: metadata.get(hashMetadata)[0]?.toString() };
  }

  /** `everywhere`: the call could have gone to any instance. */
  #waitForRoom(noted: BalancedCall | undefined, everywhere: boolean): experimental.PickResult {
    if (everywhere) this.#isFull = true;
    return this.#wait(noted);
  }

  /** Has grpc-js pick again for a call when there may be room. */
  #wait(noted: BalancedCall | undefined): experimental.PickResult {
    // Those that are counted may have been cancelled, and then nobody says that there is room.
    if (!this.#isPickingAgain && performance.now() - this.#servedAt > recountMs) this.#updateSoon();
    if (this.#waiting >= (this.#options?.maxWaiting ?? 0) && this.#waiting >= this.#roomToCome()) {
      if (noted !== undefined) noted.turnedAway = true;
      return tooManyWait;
    }
    this.#waiting += 1;
    this.#refresh ??= setTimeout(this.#refreshLimits, refreshMs).unref();
    return wait;
  }

  /** How many calls find room on connections that are still to be made: so many may wait in any case. */
  #roomToCome(): number {
    let room = 0;
    for (const endpoint of this.#endpoints.values()) room += endpoint.roomToCome;
    return room;
  }

  readonly #refreshLimits = () => {
    this.#refresh = undefined;
    if (this.#waiting === 0) return;
    for (const endpoint of this.#endpoints.values()) endpoint.refreshLimits();
    this.#tellState();
  };

  readonly #onRoom = () => {
    if (this.#waiting > 0) this.#updateSoon();
  };

  readonly #abandonPicks = () => {
    for (const pick of this.#picks) pick.abandonUnlessStarted();
    this.#picks.length = 0;
  };

  #connectTo(
    found: readonly experimental.Endpoint[],
    channelOptions: ChannelOptions,
    { clientId, subsetAbove, subsetSize, maxConnections, connectionIdleMs }: ClientBalancing,
  ): void {
    const announced: ReadonlyMap<string, Instance> = channelOptions[instancesAttribute] ?? new Map();
    const described = found.map((address) => ({ ...describe(address, announced), endpoint: address }));
    // DNS and lists of addresses may name one twice.
    const named = [...new Map(described.map((one) => [one.key, one])).values()];
    const chosen = named.length > subsetAbove ? subset(named, clientId, subsetSize) : named;
    const before = this.#endpoints;
    const keys = new Set(chosen.map(({ key }) => key));
    for (const [key, gone] of before) {
      if (keys.has(key)) continue;
      // Calls that go on there use up room, of which nobody would know who used those connections anew.
      if (gone.inFlight > 0) this.#generation += 1;
      gone.close();
    }
    this.#endpoints = new Map();
    for (const one of chosen) {
      const endpoint =
        before.get(one.key) ??
        new ConnectedEndpoint(one, {
          address: one.endpoint,
          generation: this.#generation,
          helper: this.#helper,
          channelOptions,
          maxConnections,
          connectionIdleMs,
          onChange: () => this.#updateSoon(),
        });
      endpoint.zone = one.zone;
      endpoint.weight = one.weight;
      this.#endpoints.set(one.key, endpoint);
    }
  }

  /** Once for all that has changed in this turn of the event loop. */
  #updateSoon(): void {
    this.#update ??= setImmediate(() => this.#tellState());
  }

  #tellState(): void {
    clearImmediate(this.#update);
    this.#update = undefined;
    // Whoever waits is picked for again, and counted again.
    this.#waiting = 0;
    const known = [...this.#endpoints.values()];
    const ready = known.filter((endpoint) => endpoint.ready);
    this.#balancer?.update(ready, known);
    if (ready.length > 0) this.#serve();
    else if (known.some(({ failure }) => failure === undefined))
      this.#helper.updateState(State.CONNECTING, new experimental.QueuePicker(this), null);
    else if (known.length > 0) this.#fail(`no instance can be reached; the last one tried: ${known.at(-1)?.failure}`);
  }

  /** Takes calls, those first that wait. */
  #serve(): void {
    this.#servedAt = performance.now();
    this.#isPickingAgain = true;
    this.#isFull = false;
    this.#helper.updateState(State.READY, this, null);
    this.#isPickingAgain = false;
  }

  #fail(details: string): void {
    this.#helper.updateState(State.TRANSIENT_FAILURE, new experimental.UnavailablePicker({ details }), details);
  }
}

/** A call's place on a connection. grpc-js calls `onCallStarted` in the same turn of the event loop, or never. */
class Pick implements experimental.PickResult {
  readonly pickResultType = experimental.PickResultType.COMPLETE;
  readonly status = null;
  readonly subchannel: experimental.SubchannelInterface;
  readonly onCallEnded: (code: status) => void;
  readonly #call: PendingCall;
  readonly #lease: Lease<Connection>;
  readonly #permit: BreakerPermit | undefined;
  readonly #onRoom: () => void;
  #started = false;

  constructor(
    call: PendingCall,
    lease: Lease<Connection>,
    guard: CallGuard | undefined,
    permit: BreakerPermit | undefined,
    onRoom: () => void,
  ) {
    this.#call = call;
    this.#lease = lease;
    this.#permit = permit;
    this.#onRoom = onRoom;
    this.subchannel = lease.member.subchannel;
    this.onCallEnded = (code) => {
      if (permit !== undefined) guard?.ended(permit, code, now() - call.since);
      call.end(outcomeOf(code));
      lease.release();
      onRoom();
    };
  }

  onCallStarted(): void {
    this.#started = true;
    this.#call.started();
  }

  abandonUnlessStarted(): void {
    if (this.#started) return;
    this.#call.abandon();
    this.#permit?.end("neutral");
    this.#lease.release();
    this.#onRoom();
  }
}

const nobody = { subchannel: null, onCallStarted: null, onCallEnded: null };

const wait: experimental.PickResult = Object.freeze({
  ...nobody,
  pickResultType: experimental.PickResultType.QUEUE,
  status: null,
});

const tooManyWait: experimental.PickResult = Object.freeze({
  ...nobody,
  pickResultType: experimental.PickResultType.TRANSIENT_FAILURE,
  status: {
    code: status.RESOURCE_EXHAUSTED,
    details: "too many calls wait for room on the connections to this service",
    metadata: new Metadata(),
  },
});

const refused: experimental.PickResult = Object.freeze({
  ...nobody,
  // Not as a passing failure: a call that waits for connections would wait here too.
  pickResultType: experimental.PickResultType.DROP,
  status: { code: status.UNAVAILABLE, details: "no instance takes such calls at present", metadata: new Metadata() },
});

/** An instance as the registry announces it, or as a bare address. */
function describe(
  { addresses }: experimental.Endpoint,
  announced: ReadonlyMap<string, Instance>,
): EndpointInit & { readonly key: string } {
  const address = addresses.map(experimental.subchannelAddressToString).join();
  const { id, zone, weight, startedAt } = announced.get(address) ?? bare;
  return { key: `${address} ${id}`, address, zone, weight, startedAt };
}

const bare = { id: "", zone: "", weight: usualWeight, startedAt: 0 };

/** Has grpc-js know this balancer. May be called again. */
export function registerLoadBalancer(): void {
  experimental.registerLoadBalancerType(name, LoadBalancer, Config);
}
