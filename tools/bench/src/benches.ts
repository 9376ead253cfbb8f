import { balanceBench } from "./balance/balance-bench.ts";
import type { Bench } from "./bench.ts";
import { rpcBench } from "./rpc/rpc-bench.ts";

/** Every bench that there is. */
export const benches: readonly Bench[] = [rpcBench, balanceBench];
