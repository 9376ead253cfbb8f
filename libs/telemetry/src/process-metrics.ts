import { constants, monitorEventLoopDelay, PerformanceObserver, performance } from "node:perf_hooks";
import { getHeapSpaceStatistics, getHeapStatistics } from "node:v8";
import type { Metrics } from "./metrics/metrics.ts";

/** How often it is measured how late the event loop is, in milliseconds: each time costs some 50 µs where there is little to do. */
const resolutionMs = 50;

/** Collections of garbage by what V8 calls them. */
const gcTypes = new Map<number, string>([
  [constants.NODE_PERFORMANCE_GC_MINOR, "minor"],
  [constants.NODE_PERFORMANCE_GC_MAJOR, "major"],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, "incremental"],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, "weakcb"],
]);

/** What Node tells of a collection. */
interface Collection {
  readonly duration: number;
  readonly detail: { readonly kind: number };
}

/**
 * How the process is: its event loop, garbage collection, memory and processor time, named as OpenTelemetry's conventions name
 * them for Node, V8 and processes. Delays and utilisation are those since somebody last looked. To be disposed of.
 */
export function watchProcess(metrics: Metrics): Disposable {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  const quantiles = [
    ["p50", 50],
    ["p90", 90],
    ["p99", 99],
    ["max", 100],
  ] as const;
  for (const [name, percentile] of quantiles)
    metrics.gauge(
      {
        name: `nodejs.eventloop.delay.${name}`,
        unit: "s",
        description: `How late the event loop was, ${name}, since the last look.`,
      },
      (observe) => {
        // What is measured is the time from one turn to the next.
        observe(Math.max(0, delay.percentile(percentile) / 1e9 - resolutionMs / 1_000));
        // All are read in this order, one after the other.
        if (name === "max") delay.reset();
      },
    );
  let looked = performance.eventLoopUtilization();
  metrics.gauge(
    {
      name: "nodejs.eventloop.utilization",
      unit: "1",
      description: "Which part of the time since the last look the event loop was at work.",
    },
    (observe) => {
      const now = performance.eventLoopUtilization();
      observe(performance.eventLoopUtilization(now, looked).utilization);
      looked = now;
    },
  );

  const collections = metrics.histogram({
    name: "v8js.gc.duration",
    unit: "s",
    description: "How long garbage collections took.",
    boundaries: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1],
  });
  const observer = new PerformanceObserver((list) => {
    for (const { duration, detail } of list.getEntries() as unknown as readonly Collection[]) {
      const type = gcTypes.get(detail.kind) ?? "other";
      collections.with({ "v8js.gc.type": type }).record(duration / 1_000);
    }
  });
  observer.observe({ entryTypes: ["gc"] });

  metrics.gauge({ name: "v8js.memory.heap.used", unit: "By", description: "The heap in use, by space." }, (observe) => {
    for (const { space_name, space_used_size } of getHeapSpaceStatistics())
      observe(space_used_size, { "v8js.heap.space.name": space_name });
  });
  metrics.gauge(
    { name: "v8js.memory.heap.limit", unit: "By", description: "How large the heap may grow." },
    (observe) => observe(getHeapStatistics().heap_size_limit),
  );
  metrics.gauge(
    { name: "process.memory.usage", unit: "By", description: "The memory that the process has (resident set)." },
    (observe) => observe(process.memoryUsage.rss()),
  );
  metrics.observedCounter(
    { name: "process.cpu.time", unit: "s", description: "The processor time that the process has taken, by mode." },
    (observe) => {
      const { user, system } = process.cpuUsage();
      observe(user / 1e6, { "cpu.mode": "user" });
      observe(system / 1e6, { "cpu.mode": "system" });
    },
  );
  metrics.observedCounter(
    { name: "process.uptime", unit: "s", description: "How long the process has been running." },
    (observe) => observe(process.uptime()),
  );
  return {
    [Symbol.dispose]: () => {
      delay.disable();
      observer.disconnect();
    },
  };
}
