// The client of one peer: `client-process.ts PEER`, started and told what to do by processes.ts.
import { type LoadOptions, type LoadResult, load } from "./load.ts";
import { startMeter, type Usage } from "./meter.ts";
import { obeyParent } from "./parent-link.ts";
import type { PeerClient } from "./peer.ts";
import { loadPeer } from "./peers.ts";

/** What the bench may ask of a client's process. */
export interface ClientTasks {
  connect(port: number): Promise<void>;
  /** Calls for a while; answers how it went and what this process used up meanwhile. */
  load(options: LoadOptions): Promise<LoadResult & Usage>;
}

let client: PeerClient | undefined;

obeyParent<ClientTasks>({
  connect: async (port) => {
    client = await (await loadPeer(process.argv[2] ?? "")).connect(port);
  },
  load: async (options) => {
    if (client === undefined) throw new Error("not connected");
    const read = startMeter();
    const result = await load(client, options);
    return { ...result, ...read() };
  },
});
