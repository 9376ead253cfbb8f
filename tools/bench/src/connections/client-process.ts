// A client with one connection or a pool of them, as its argument says: started by connections-bench.ts.
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { type Client, createClient } from "@shoal/rpc";
import { type LoadOptions, type LoadResult, load } from "../rpc/load.ts";
import { obeyParent } from "../rpc/parent-link.ts";
import { requestOf } from "../rpc/workload.ts";

/** What the bench may ask of it. */
export interface ClientTasks {
  connect(port: number): Promise<void>;
  /** Calls for a while; answers how it went. */
  load(options: LoadOptions): Promise<LoadResult>;
}

/** More than 500 calls need of connections with 10 streams. */
const maxConnections = 60;

let client: Client<typeof EchoService> | undefined;

obeyParent<ClientTasks>({
  connect: async (port) => {
    const balancing = process.argv[2] === "pool" ? ({ policy: "p2c_ewma", maxConnections } as const) : "pick_first";
    client = createClient(EchoService, { address: `127.0.0.1:${port}`, balancing });
  },
  load: async (options) => {
    const connected = client;
    if (connected === undefined) throw new Error("not connected");
    const echo = async (name: string) => (await connected.echo(requestOf(name), { timeoutMs: 30_000 })).parcel?.name;
    return await load({ echo }, options);
  },
});
