import { balanceBench } from "./balance/balance-bench.ts";
import type { Bench } from "./bench.ts";
import { catalogueBench } from "./catalogue/catalogue-bench.ts";
import { connectionsBench } from "./connections/connections-bench.ts";
import { ordersBench } from "./orders/orders-bench.ts";
import { overloadBench } from "./overload/overload-bench.ts";
import { poolBench } from "./pool/pool-bench.ts";
import { resilienceBench } from "./resilience/resilience-bench.ts";
import { rpcBench } from "./rpc/rpc-bench.ts";
import { telemetryBench } from "./telemetry/telemetry-bench.ts";

/** Every bench that there is. */
export const benches: readonly Bench[] = [
  rpcBench,
  connectionsBench,
  balanceBench,
  poolBench,
  resilienceBench,
  overloadBench,
  ordersBench,
  catalogueBench,
  telemetryBench,
];
