import { setTimeout as sleep } from "node:timers/promises";
import type { Bench, BenchReport, BenchRow, BenchSettings, Table } from "../bench.ts";
import { openSubject, orderSubjects } from "../orders/order-subjects.ts";
import { type CalledSubject, measureOrders } from "../orders/orders-bench.ts";
import type { OrdersClientTasks } from "../orders/orders-client-process.ts";
import { cellOf, middle, ratio } from "../orders/orders-report.ts";
import type { OrdersSample } from "../orders/orders-sample.ts";
import { benchRow } from "../report.ts";
import { startWorker } from "../rpc/processes.ts";
import { requireInvariants } from "../services/require-invariants.ts";
import { serviceNames } from "../services/start-services.ts";
import { rotated } from "../statistics.ts";
import type { OtlpSinkTasks } from "./otlp-sink-process.ts";

/** What is seen of the services. */
interface TelemetrySubject {
  readonly name: "off" | "scraped" | "sampled_1" | "sampled_100" | "logs_sent";
  readonly what: string;
  /** How the services are set, with a collector at `endpoint`. */
  env(endpoint: string): Readonly<Record<string, string>>;
}

const forAll = (name: string, value: string) =>
  Object.fromEntries(serviceNames.map((service) => [`SHOAL_${service.toUpperCase()}_${name}`, value]));

/** Everything on, and sent to the collector, with so much room that nothing is dropped. */
const sent = (endpoint: string, ratio: string) => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
  OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
  OTEL_TRACES_SAMPLER_ARG: ratio,
  OTEL_BSP_MAX_QUEUE_SIZE: "65536",
  OTEL_BSP_SCHEDULE_DELAY: "1000",
  OTEL_BLRP_MAX_QUEUE_SIZE: "65536",
  OTEL_METRIC_EXPORT_INTERVAL: "5000",
});

const off: TelemetrySubject = {
  name: "off",
  what: "nothing counted, traced or logged of a call",
  env: () => ({ ...forAll("TELEMETRY", "off"), ...forAll("ACCESS_LOG", "off") }),
};

const subjects: readonly TelemetrySubject[] = [
  off,
  { name: "scraped", what: "as by default: metrics, and a line of the log for each call", env: () => ({}) },
  { name: "sampled_1", what: "that, sent to a collector, and one call in 100 traced", env: (url) => sent(url, "0.01") },
  { name: "sampled_100", what: "that, and every call traced", env: (url) => sent(url, "1") },
  {
    name: "logs_sent",
    what: "one call in 100 traced, and each line of the log sent too",
    env: (url) => ({ ...sent(url, "0.01"), OTEL_LOGS_EXPORTER: "otlp" }),
  },
];

/** Callers at once: those of a service that is busy, and of one that has all it can take. */
const concurrencies = [64, 512] as const;

const services = orderSubjects.find(({ name }) => name === "shoal")?.env;

interface Running extends CalledSubject {
  readonly subject: TelemetrySubject;
}

interface Result {
  readonly subject: TelemetrySubject;
  readonly callers: (typeof concurrencies)[number];
  readonly samples: OrdersSample[];
}

/** What it costs to be seen. */
export const telemetryBench: Bench = {
  name: "telemetry",
  what: "CreateOrder with metrics, logs and traces, and without",
  subjects: subjects.map(({ name }) => name),
  takesDatabase: true,
  defaults: { rounds: 7, seconds: 3 },
  run: async (settings) => {
    const { rounds, only, progress } = settings;
    await using stack = new AsyncDisposableStack();
    const sink = stack.use(startWorker<OtlpSinkTasks>("../telemetry/otlp-sink-process.ts", "collector"));
    const endpoint = await sink.ask("serve");
    const running: Running[] = [];
    for (const subject of subjects)
      if (subject === off || (only?.includes(subject.name) ?? true))
        running.push(await open(stack, subject, endpoint, settings));
    const results = running.flatMap(({ subject }) =>
      concurrencies.map((callers): Result => ({ subject, callers, samples: [] })),
    );
    for (let round = 0; round < rounds; round += 1)
      for (const callers of concurrencies)
        for (const one of rotated(running, round)) {
          progress(`round ${round + 1} of ${rounds}: ${one.subject.name}, ${callers} callers`);
          const sample = await measureOrders(one, { skus: "hot", callers }, settings);
          results.find((result) => result.subject === one.subject && result.callers === callers)?.samples.push(sample);
        }
    const received = await sink.ask("received");
    for (const { kept } of running) if (kept !== undefined) await requireInvariants(kept);
    return report(results, settings, received);
  },
};

async function open(
  stack: AsyncDisposableStack,
  subject: TelemetrySubject,
  endpoint: string,
  { seconds, database, profileDir, signal, progress }: BenchSettings,
): Promise<Running> {
  signal.throwIfAborted();
  progress(`starting the services: ${subject.what}`);
  const env = { ...services, ...subject.env(endpoint) };
  const opened = await openSubject(stack, { name: `telemetry_${subject.name}`, env }, database, profileDir);
  const script = "../orders/orders-client-process.ts";
  const callers = stack.use(startWorker<OrdersClientTasks>(script, subject.name, profileDir));
  await callers.ask("connect", opened.shop);
  await callers.ask("begin", { callers: concurrencies[0], spread: false });
  await sleep(seconds * 1_000, undefined, { signal });
  await callers.ask("end");
  return { ...opened, subject, callers };
}

const columns = [
  ["orders/s", "throughput"],
  ["p50 ms", "p50"],
  ["p99 ms", "p99"],
  ["order µs", "orderCpu"],
  ["inventory µs", "inventoryCpu"],
  ["user µs", "userCpu"],
] as const;

function report(results: readonly Result[], { rounds, seconds }: BenchSettings, received: number): BenchReport {
  const baselineOf = ({ callers }: Result) =>
    results.find((result) => result.subject === off && result.callers === callers)?.samples ?? [];
  const table: Table = {
    title: "Orders of one product, by what is seen of the services",
    columns: ["", ...columns.map(([title]) => title), "of off", "CPU of off", "p99 ms more"],
    lines: results
      .toSorted((one, other) => one.callers - other.callers)
      .map((result) => {
        const { subject, callers, samples } = result;
        return [
          `${String(callers).padStart(3)} ${subject.name}`,
          ...columns.map(([, key]) => cellOf(middle(samples, key), key)),
          `×${ratio(samples, baselineOf(result), "throughput").toFixed(3)}`,
          `×${cpuRatio(result, baselineOf(result)).toFixed(3)}`,
          (middle(samples, "p99") - middle(baselineOf(result), "p99")).toFixed(1),
        ];
      }),
    notes: [
      `Medians over ${rounds} rounds of ${seconds} s; ratios are medians of the rounds' own. µs of CPU by order.`,
      `The collector, on the same machine, got ${(received / 1024 ** 2).toFixed(0)} MiB.`,
    ],
  };
  const rows = results.flatMap((result): BenchRow[] => {
    if (result.subject === off) return [];
    const baseline = baselineOf(result);
    const busiest = result.callers === concurrencies.at(-1);
    const name = `telemetry.${result.subject.name}${busiest ? "" : `.c${result.callers}`}`;
    const of = (key: "throughput" | "p99", unit: string) =>
      benchRow(
        `${name}.${key === "p99" ? "p99_ms" : key}`,
        middle(result.samples, key),
        unit,
        middle(baseline, key),
        ratio(result.samples, baseline, key),
      );
    return [
      of("throughput", "orders/s"),
      of("p99", "ms"),
      benchRow(`${name}.cpu`, cpuRatio(result, baseline), "of off"),
    ];
  });
  return { tables: [table], rows };
}

/** The CPU that the services take for an order, as a multiple of that without telemetry: it is steadier than throughput. */
function cpuRatio({ samples }: Result, baseline: readonly OrdersSample[]): number {
  const cpu = samples.map((sample) => ({ cpu: cpuOf(sample) }));
  const without = baseline.map((sample) => ({ cpu: cpuOf(sample) }));
  return ratio(cpu, without, "cpu");
}

function cpuOf({ orderCpu, inventoryCpu, userCpu }: OrdersSample): number {
  return orderCpu + inventoryCpu + userCpu;
}
