import { create } from "@bufbuild/protobuf";
import { EchoRequestSchema, EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { runWithContext } from "@shoal/kernel";
import { Metadata, type ServerLayerOptions, serverLayers, serverTelemetry } from "@shoal/rpc";
import { compose, type MethodPolicy, policiesOf, ServedCall, type ServerStream } from "@shoal/rpc/internals";
import type { BenchReport, BenchSettings } from "../bench.ts";
import { formatFigure, roundFigure } from "../report.ts";
import { median } from "../statistics.ts";
import { startUnsampledTelemetry } from "./telemetry.ts";
import { requestOf } from "./workload.ts";

/** Calls that one measurement makes: as many as the seconds that others are measured for say, but no more than are enough. */
const callsBySecond = 10_000;
const maxCalls = 20_000;

/** What one layer of a server adds to a call. */
export interface LayerCost {
  readonly name: string;
  readonly ns: number;
}

type Run = (call: ServedCall) => Promise<void>;

/**
 * What each layer of a server costs, in this process and without a network: the time of a call through all layers, less
 * that of one through all but it, as the median over interleaved rounds. The context is the time of a call that has no
 * layers at all. Layers with nothing to do for a method are there with the least that they do.
 */
export async function measureLayers({
  rounds,
  seconds,
  signal,
}: Pick<BenchSettings, "rounds" | "seconds" | "signal">): Promise<readonly LayerCost[]> {
  await using stack = new AsyncDisposableStack();
  const telemetry = await startUnsampledTelemetry();
  stack.defer(() => telemetry.shutdown());
  const options: ServerLayerOptions = {
    errorDomain: "shoal.bench",
    telemetry: serverTelemetry(telemetry),
    maxRunningCalls: 10_000,
    identify: () => undefined,
    admission: (_, next) => next(),
    middleware: [(_, next) => next()],
  };
  const layers = serverLayers(options);
  const request = create(EchoRequestSchema, requestOf("parcel"));
  const core: Run = async (call) => {
    for (const look of call.requestLooks) look(request);
  };
  const through = (without?: string): Run =>
    compose(
      layers.filter(({ name }) => name !== without).map(({ run }) => run),
      core as never,
    ) as Run;
  const variants = new Map<string, Run>([
    ["", through()],
    ["context", core],
    ...layers.map(({ name }) => [name, through(name)] as const),
  ]);
  const timeOf = await measure(variants, rounds, Math.min(maxCalls, Math.ceil(seconds * callsBySecond)), signal);
  const all = timeOf.get("") ?? 0;
  const context = timeOf.get("context") ?? 0;
  return [
    { name: "context", ns: context },
    ...layers.map(({ name }) => ({ name, ns: all - (timeOf.get(name) ?? 0) })),
    { name: "all together", ns: all },
  ];
}

/** Nanoseconds a call of each variant: medians over rounds, each of which has every variant once. */
async function measure(
  variants: ReadonlyMap<string, Run>,
  rounds: number,
  calls: number,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  const path = "/shoal.echo.v1.EchoService/Echo";
  const policy = { current: policiesOf(EchoService).get(path) as MethodPolicy };
  const served = { method: EchoService.method.echo, path, policy };
  const metadata = new Metadata();
  metadata.set("x-request-id", "0190a000-0000-7000-8000-000000000001");
  metadata.set("x-shoal-priority", "default");
  metadata.set("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00");
  const stream = { metadata, deadline: Date.now() + 3_600_000, peerAddress: "127.0.0.1:1" } as unknown as ServerStream;
  const draining = new AbortController().signal;
  const samples = new Map([...variants.keys()].map((name) => [name, [] as number[]]));
  for (let round = -2; round < rounds; round += 1)
    for (const [name, run] of variants) {
      signal.throwIfAborted();
      const startedAt = performance.now();
      for (let n = 0; n < calls; n += 1) {
        const call = new ServedCall(served, stream, draining);
        await runWithContext(call, () => run(call));
        call.permit?.release(true);
      }
      // The first rounds warm up.
      if (round >= 0) samples.get(name)?.push(((performance.now() - startedAt) / calls) * 1_000_000);
    }
  return new Map([...samples].map(([name, times]) => [name, median(times)]));
}

/** The costs as a table, beside the processor time that a server of ours takes for a call, in microseconds. */
export function reportLayers(costs: readonly LayerCost[], serverCpuMicros: number | undefined): BenchReport {
  const share = (ns: number) => (serverCpuMicros === undefined ? undefined : ns / 1_000 / serverCpuMicros);
  const percent = (ns: number) => {
    const part = share(ns);
    return part === undefined ? "" : `${(part * 100).toFixed(1)} %`;
  };
  return {
    tables: [
      {
        title: "What each layer of a server adds to a call",
        columns: ["", "ns", "of a call"],
        lines: costs.map(({ name, ns }) => [name, formatFigure(ns), percent(ns)]),
        notes: [
          "Measured in one process without a network; of a call: of the processor time that the server above takes for one.",
        ],
      },
    ],
    rows: costs.map(({ name, ns }) => ({
      bench: "rpc",
      name: `rpc.layer.${name.replaceAll(" ", "-")}`,
      value: roundFigure(ns),
      unit: "ns/call",
      baseline: serverCpuMicros === undefined ? null : roundFigure(serverCpuMicros * 1_000),
      ratio: serverCpuMicros === undefined ? null : roundFigure(share(ns) ?? 0),
    })),
  };
}
