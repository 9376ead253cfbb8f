import type { Bench } from "../bench.ts";
import { baselinePeer, peerNames } from "./peers.ts";
import { measureUnary } from "./unary.ts";
import { reportUnary } from "./unary-report.ts";

/** What a call costs: @shoal/rpc beside bare grpc-js and what others make of gRPC in Node. */
export const rpcBench: Bench = {
  name: "rpc",
  what: "what a unary call costs: @shoal/rpc beside bare grpc-js and other stacks",
  subjects: peerNames,
  defaults: { rounds: 21, seconds: 0.5 },
  run: async (settings) => {
    const { only } = settings;
    const peers = peerNames.filter((name) => only === undefined || name === baselinePeer || only.includes(name));
    // Each part of the bench is one report; what each middleware costs, measured in process, will be the next.
    const parts = [reportUnary(await measureUnary(peers, settings), settings)];
    return { tables: parts.flatMap(({ tables }) => tables), rows: parts.flatMap(({ rows }) => rows) };
  },
};
