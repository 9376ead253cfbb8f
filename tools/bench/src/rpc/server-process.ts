// The server of one peer: `server-process.ts PEER`, started and told what to do by processes.ts.
import { startMeter, type Usage } from "./meter.ts";
import { obeyParent } from "./parent-link.ts";
import { loadPeer } from "./peers.ts";

/** What the bench may ask of a server's process. */
export interface ServerTasks {
  /** Begins to serve; answers the port. */
  serve(): Promise<number>;
  /** Begins to count what this process uses up. */
  startMeter(): Promise<void>;
  /** Answers what it has used up since then. */
  readMeter(): Promise<Usage>;
}

let read = startMeter();

obeyParent<ServerTasks>({
  serve: async () => (await (await loadPeer(process.argv[2] ?? "")).serve()).port,
  startMeter: async () => {
    read();
    read = startMeter();
  },
  readMeter: async () => read(),
});
