import { constants, monitorEventLoopDelay, PerformanceObserver, performance } from "node:perf_hooks";
import { getHeapSpaceStatistics, getHeapStatistics } from "node:v8";
import type { Metrics } from "./metrics/metrics.ts";

/** How often it is measured how late the event loop is, in milliseconds: each time costs some 50 µs where there is little to do. */
const resolutionMs = 50;

/** Of what time the event loop's figures are, in milliseconds. */
const windowMs = 10_000;

/** How the event loop was for a while. */
interface LoopWindow {
  /** In seconds. */
  readonly delays: Readonly<Record<"p50" | "p90" | "p99" | "max", number>>;
  /** The part of the time that it was at work, 0 to 1. */
  readonly utilization: number;
}

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
 * them for Node, V8 and processes. Delays and utilisation are those of the last ten seconds. To be disposed of.
 */
export function watchProcess(metrics: Metrics): Disposable {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  let from = performance.eventLoopUtilization();
  const look = (): LoopWindow => {
    const now = performance.eventLoopUtilization();
    // What is measured is the time from one turn to the next.
    const late = (percentile: number) => Math.max(0, delay.percentile(percentile) / 1e9 - resolutionMs / 1_000);
    const delays = { p50: late(50), p90: late(90), p99: late(99), max: late(100) };
    return { delays, utilization: performance.eventLoopUtilization(now, from).utilization };
  };
  let last: LoopWindow | undefined;
  // Not since somebody looked: there may be several who do.
  const timer = setInterval(() => {
    last = look();
    from = performance.eventLoopUtilization();
    delay.reset();
  }, windowMs).unref();
  const current = () => last ?? look();
  const ends = (["p50", "p90", "p99", "max"] as const).map((name) =>
    metrics.gauge(
      {
        name: `nodejs.eventloop.delay.${name}`,
        unit: "s",
        description: `How late the event loop was, ${name}, in the last ten seconds.`,
      },
      (observe) => observe(current().delays[name]),
    ),
  );
  ends.push(
    metrics.gauge(
      {
        name: "nodejs.eventloop.utilization",
        unit: "1",
        description: "Which part of the last ten seconds the event loop was at work.",
      },
      (observe) => observe(current().utilization),
    ),
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

  ends.push(
    metrics.gauge(
      { name: "v8js.memory.heap.used", unit: "By", description: "The heap in use, by space." },
      (observe) => {
        for (const { space_name, space_used_size } of getHeapSpaceStatistics())
          observe(space_used_size, { "v8js.heap.space.name": space_name });
      },
    ),
    metrics.gauge(
      { name: "v8js.memory.heap.limit", unit: "By", description: "How large the heap may grow." },
      (observe) => observe(getHeapStatistics().heap_size_limit),
    ),
    metrics.gauge(
      { name: "process.memory.usage", unit: "By", description: "The memory that the process has (resident set)." },
      (observe) => observe(process.memoryUsage.rss()),
    ),
    metrics.observedCounter(
      { name: "process.cpu.time", unit: "s", description: "The processor time that the process has taken, by mode." },
      (observe) => {
        const { user, system } = process.cpuUsage();
        observe(user / 1e6, { "cpu.mode": "user" });
        observe(system / 1e6, { "cpu.mode": "system" });
      },
    ),
    metrics.observedCounter(
      { name: "process.uptime", unit: "s", description: "How long the process has been running." },
      (observe) => observe(process.uptime()),
    ),
  );
  return {
    [Symbol.dispose]: () => {
      clearInterval(timer);
      delay.disable();
      for (const end of ends) end();
      observer.disconnect();
    },
  };
}
