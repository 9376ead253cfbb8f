import { type ChannelOptions, experimental, Metadata, connectivityState as State } from "@grpc/grpc-js";
import { streamLimitOf } from "./grpc-js-internals.ts";

/** A channel option of our own, by which several connections to one address differ for grpc-js. */
const nameOption = "shoal.connection";

/** What a connection is made with, and tells. */
export interface ConnectionInit {
  readonly endpoint: experimental.Endpoint;
  /** Unlike that of every other connection to the same endpoint. */
  readonly name: string;
  readonly helper: experimental.ChannelControlHelper;
  /** Whether to try at once, though attempts at this address have failed before: it is another process now. */
  readonly atOnce: boolean;
  readonly channelOptions: ChannelOptions;
  /** It is there. Once. */
  onReady(): void;
  /** It has been lost, or its server takes no more calls on it. Once, and only after it was there. */
  onLost(): void;
  /** An attempt to make it failed. It is tried again, at growing intervals. */
  onFailed(why: string): void;
  /** It has been closed, and its name is free. */
  onClosed(): void;
}

/**
 * One HTTP/2 connection to an instance. States: connecting → ready → lost; closed from each. Closing it lets the calls on
 * it finish.
 */
export class Connection {
  readonly #leaf: experimental.LeafLoadBalancer;
  readonly #onClosed: () => void;
  #subchannel: experimental.SubchannelInterface | undefined;
  #lost = false;
  #closed = false;

  constructor(init: ConnectionInit) {
    this.#onClosed = init.onClosed;
    const helper = experimental.createChildChannelControlHelper(init.helper, {
      createSubchannel: (address, options) => {
        const subchannel = init.helper.createSubchannel(address, { ...options, [nameOption]: init.name });
        if (init.atOnce) subchannel.getRealSubchannel().resetBackoff();
        return subchannel;
      },
      updateState: (state, picker, why) => {
        if (this.#closed) return;
        if (state === State.READY) {
          if (this.#subchannel !== undefined) return;
          this.#subchannel = subchannelOf(picker);
          if (this.#subchannel === undefined) return;
          init.onReady();
        } else if (this.#subchannel !== undefined) {
          this.#lost = true;
          init.onLost();
        } else if (state === State.TRANSIENT_FAILURE) init.onFailed(why ?? "no connection");
      },
    });
    this.#leaf = new experimental.LeafLoadBalancer(init.endpoint, helper, init.channelOptions, "");
  }

  /** Begins to connect. It is ready before this returns where grpc-js has kept a connection like it. Once. */
  connect(): void {
    this.#leaf.startConnecting();
  }

  /** What calls are made on, once it is ready. */
  get subchannel(): experimental.SubchannelInterface {
    if (this.#subchannel === undefined) throw new Error("the connection is not ready");
    return this.#subchannel;
  }

  /** How many calls its peer allows at once; none once it is lost. */
  get streamLimit(): number {
    // grpc-js picks again at once for a call whose connection is not there, and would do so for ever.
    return this.#lost ? 0 : streamLimitOf(this.subchannel);
  }

  /** Ends it once the calls on it have ended. May be called again. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#leaf.destroy();
    this.#onClosed();
  }
}

function subchannelOf(picker: experimental.Picker): experimental.SubchannelInterface | undefined {
  return picker.pick({ metadata: new Metadata(), extraPickInfo: {} }).subchannel ?? undefined;
}
