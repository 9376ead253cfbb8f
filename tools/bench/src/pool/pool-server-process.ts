// A server whose every call works with the database: `pool-server-process.ts NAME`, told what to do by pool-bench.ts.
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { createServer, implement } from "@shoal/rpc";
import { admission, openDatabase } from "@shoal/storage";
import { sql } from "kysely";
import { obeyParent } from "../rpc/parent-link.ts";

/** What the server works with. */
export interface PoolServerOptions {
  readonly databaseUrl: string;
  readonly connections: number;
  readonly statements: number;
  readonly statementMs: number;
  /** Whether calls are refused while the database is busy. */
  readonly door: boolean;
}

/** What the bench may ask of the server. */
export interface PoolServerTasks {
  /** Begins to serve; answers its port. */
  serve(options: PoolServerOptions): Promise<number>;
}

obeyParent<PoolServerTasks>({
  serve: async ({ databaseUrl, connections, statements, statementMs, door }) => {
    const database = openDatabase(databaseUrl, {
      maxConnections: connections,
      minConnections: connections,
    });
    const work = sql`select sleep(${sql.lit(statementMs / 1_000)})`;
    const echo = implement(EchoService, {
      echo: async ({ parcel }) => {
        for (let n = 0; n < statements; n += 1) await work.execute(database.db);
        return parcel === undefined ? {} : { parcel };
      },
      echoAgain: async () => ({}),
      collect: async () => ({}),
      repeat: async function* () {},
      converse: async function* () {},
    });
    const server = createServer({
      services: [echo],
      errorDomain: "shoal.echo",
      ...(door && { admission: admission(database) }),
    });
    return await server.listen({ host: "127.0.0.1", port: 0 });
  },
});
