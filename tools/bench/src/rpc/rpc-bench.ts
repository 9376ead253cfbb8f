import type { Bench } from "../bench.ts";
import { measureLayers, reportLayers } from "./layer-costs.ts";
import { baselinePeer, peerNames } from "./peers.ts";
import { measureUnary } from "./unary.ts";
import { reportUnary } from "./unary-report.ts";

/** What a call costs: @shoal/rpc beside bare grpc-js and what others make of gRPC in Node. */
export const rpcBench: Bench = {
  name: "rpc",
  what: "what a unary call costs: @shoal/rpc beside bare grpc-js and other stacks",
  subjects: peerNames,
  defaults: { rounds: 9, seconds: 2 },
  run: async (settings) => {
    const { only, progress } = settings;
    const peers = peerNames.filter((name) => only === undefined || name === baselinePeer || only.includes(name));
    const unary = reportUnary(await measureUnary(peers, settings), settings);
    progress("measuring layers");
    const serverCpu = unary.rows.find(({ name }) => name === "rpc.unary.server-cpu.shoal")?.value;
    const parts = [unary, reportLayers(await measureLayers(settings), serverCpu)];
    return { tables: parts.flatMap(({ tables }) => tables), rows: parts.flatMap(({ rows }) => rows) };
  },
};
