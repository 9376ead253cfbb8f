import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { type experimental, connectivityState as State } from "@grpc/grpc-js";
import { ConnectedEndpoint } from "./connected-endpoint.ts";

type Listener = experimental.SubchannelInterface extends { addConnectivityStateListener(listener: infer L): void }
  ? L
  : never;

/** A connection as grpc-js hands it out, that is lost in a moment. */
function shortLived(): experimental.SubchannelInterface {
  let state = State.READY;
  const listeners = new Set<Listener>();
  const subchannel = {
    getConnectivityState: () => state,
    addConnectivityStateListener: (listener: Listener) => {
      listeners.add(listener);
      queueMicrotask(() => {
        if (state !== State.READY) return;
        state = State.IDLE;
        for (const told of listeners) told(subchannel, State.READY, State.IDLE, 0);
      });
    },
    removeConnectivityStateListener: (listener: Listener) => listeners.delete(listener),
    startConnecting: () => {},
    getAddress: () => "somewhere:1",
    ref: () => {},
    unref: () => {},
    getChannelzRef: () => ({}),
    isHealthy: () => true,
    addHealthStateWatcher: () => {},
    removeHealthStateWatcher: () => {},
    getRealSubchannel: () => ({ resetBackoff: () => {}, transport: null }),
    realSubchannelEquals: (other: unknown) => other === subchannel,
  } as unknown as experimental.SubchannelInterface;
  return subchannel;
}

test("a connection that is lost before the pool has it is never lent", async () => {
  let made = 0;
  const helper = {
    createSubchannel: () => {
      made += 1;
      return shortLived();
    },
    updateState: () => {},
    requestReresolution: () => {},
    addChannelzChild: () => {},
    removeChannelzChild: () => {},
  } as unknown as experimental.ChannelControlHelper;
  const endpoint = new ConnectedEndpoint(
    { address: "somewhere:1", zone: "", weight: 100, startedAt: 0 },
    {
      address: { addresses: [{ host: "somewhere", port: 1 }] },
      generation: 0,
      helper,
      channelOptions: {},
      maxConnections: 1,
      connectionIdleMs: 1_000,
      onChange: () => {},
    },
  );
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
