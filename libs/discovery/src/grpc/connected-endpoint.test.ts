import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { type experimental, connectivityState as State } from "@grpc/grpc-js";
import { ConnectedEndpoint } from "./connected-endpoint.ts";

type Listener = experimental.SubchannelInterface extends { addConnectivityStateListener(listener: infer L): void }
  ? L
  : never;

/** A connection as grpc-js hands it out, of one stream, that becomes what a test says. */
class Fake {
  #state: State;
  readonly #listeners = new Set<Listener>();
  readonly subchannel: experimental.SubchannelInterface;

  constructor(state: State, onListener: () => void = () => {}) {
    this.#state = state;
    const session = { remoteSettings: { maxConcurrentStreams: 1 } };
    this.subchannel = {
      getConnectivityState: () => this.#state,
      addConnectivityStateListener: (listener: Listener) => {
        this.#listeners.add(listener);
        onListener();
      },
      removeConnectivityStateListener: (listener: Listener) => this.#listeners.delete(listener),
      startConnecting: () => {},
      getAddress: () => "somewhere:1",
      ref: () => {},
      unref: () => {},
      getChannelzRef: () => ({}),
      isHealthy: () => true,
      addHealthStateWatcher: () => {},
      removeHealthStateWatcher: () => {},
      getRealSubchannel: () => ({ resetBackoff: () => {}, transport: { session } }),
      realSubchannelEquals: (other: unknown) => other === this.subchannel,
    } as unknown as experimental.SubchannelInterface;
  }

  become(state: State, why?: string): void {
    const before = this.#state;
    this.#state = state;
    if (before !== state) for (const told of this.#listeners) told(this.subchannel, before, state, 0, why);
  }
}

/** An instance whose connections are what `make` makes. */
function endpointOf(maxConnections: number, make: () => Fake): ConnectedEndpoint {
  const helper = {
    createSubchannel: () => make().subchannel,
    updateState: () => {},
    requestReresolution: () => {},
    addChannelzChild: () => {},
    removeChannelzChild: () => {},
  } as unknown as experimental.ChannelControlHelper;
  return new ConnectedEndpoint(
    { address: "somewhere:1", zone: "", weight: 100, startedAt: 0 },
    {
      address: { addresses: [{ host: "somewhere", port: 1 }] },
      generation: 0,
      helper,
      channelOptions: {},
      maxConnections,
      connectionIdleMs: 1_000,
      onChange: () => {},
    },
  );
}

test("a connection that is lost before the pool has it is never lent", async () => {
  let made = 0;
  const endpoint = endpointOf(1, () => {
    made += 1;
    const shortLived: Fake = new Fake(State.READY, () => queueMicrotask(() => shortLived.become(State.IDLE)));
    return shortLived;
  });
  const lent: unknown[] = [];
  for (let tick = 0; tick < 20; tick += 1) {
    lent.push(endpoint.take());
    await undefined;
  }
  assert.equal(made, 1);
  assert.deepEqual(new Set(lent), new Set([undefined]));
  await turn();
  endpoint.close();
});

test("where one connection stands, that another one cannot be made is no failure of the instance", async () => {
  const made: Fake[] = [];
  const endpoint = endpointOf(2, () => {
    const fake = new Fake(made.length === 0 ? State.READY : State.CONNECTING);
    made.push(fake);
    return fake;
  });
  await turn();
  assert.ok(endpoint.take());
  await turn();
  const [first, second] = made;
  assert.ok(first && second);
  second.become(State.TRANSIENT_FAILURE, "refused");
  assert.equal(endpoint.ready, true);
  // Once the first is lost as well, calls wait until it is known whether the instance is there.
  first.become(State.IDLE);
  assert.equal(endpoint.ready, false);
  assert.equal(endpoint.failure, undefined);
  endpoint.close();
});
