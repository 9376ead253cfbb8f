import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { requireInteger } from "@shoal/kernel";
import { type CgroupCpu, readCgroupCpu } from "./cgroup-cpu.ts";

/** How busy this process is, over the last interval. */
export interface ProcessLoad {
  /** How long what is due waits for its turn of the event loop, on average, in milliseconds. */
  readonly eventLoopDelayMs: number;
  /** What part of the time the event loop had something to do, 0 to 1. */
  readonly eventLoopUtilization: number;
  /** What part of the CPU time that its control group may use it has used, 0 to 1 and a little more; 0 without a limit. */
  readonly cpuUtilization: number;
}

/** When a process has too much to do. */
export interface ProcessLoadOptions {
  /** How often it is looked at, in milliseconds, 10 to 60,000. */
  readonly intervalMs: number;
  /** It has when the event loop is so busy, above 0, up to 1 … */
  readonly maxEventLoopUtilization: number;
  /** … and so late, in milliseconds, 1 to 60,000; … */
  readonly maxEventLoopDelayMs: number;
  /** … or when its control group uses so much of the CPU time that it may, above 0. */
  readonly maxCpuUtilization: number;
  /** Told after each look. Must not throw. */
  readonly onLoad: (load: ProcessLoad, isTooMuch: boolean) => void;
}

/** Looks five times a second; 95 % of the time with something to do and 50 ms late, or 95 % of the CPU time. */
export const defaultProcessLoadOptions = Object.freeze({
  intervalMs: 200,
  maxEventLoopUtilization: 0.95,
  maxEventLoopDelayMs: 50,
  maxCpuUtilization: 0.95,
});

/** How exactly the delay is measured, in milliseconds. */
const resolutionMs = 10;

const nanosPerMs = 1e6;

/** Watches how busy this process is. States: watching → stopped. It does not keep the process; the caller stops it. */
export class ProcessLoadWatch {
  readonly #options: ProcessLoadOptions;
  readonly #delays: ReturnType<typeof monitorEventLoopDelay>;
  readonly #timer: NodeJS.Timeout;
  #utilization = performance.eventLoopUtilization();
  #cpu: { readonly at: number; readonly used: CgroupCpu } | undefined;
  #isLooking = false;
  #isStopped = false;
  #load: ProcessLoad = { eventLoopDelayMs: 0, eventLoopUtilization: 0, cpuUtilization: 0 };

  /** Throws a `RangeError` for options out of range. */
  constructor(options: Partial<ProcessLoadOptions> & Pick<ProcessLoadOptions, "onLoad">) {
    this.#options = { ...defaultProcessLoadOptions, ...options };
    requireOptions(this.#options);
    this.#delays = monitorEventLoopDelay({ resolution: resolutionMs });
    this.#delays.enable();
    this.#timer = setInterval(() => void this.#look(), this.#options.intervalMs).unref();
  }

  /** What the last look has shown; nothing to do before the first one. */
  get load(): ProcessLoad {
    return this.#load;
  }

  /** Ends it: nothing is told any more. May be called again. */
  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#timer);
    this.#delays.disable();
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const meanMs = this.#delays.count === 0 ? resolutionMs : this.#delays.mean / nanosPerMs;
    this.#delays.reset();
    const utilization = performance.eventLoopUtilization();
    const { utilization: part } = performance.eventLoopUtilization(utilization, this.#utilization);
    this.#utilization = utilization;
    const load = {
      eventLoopDelayMs: Math.max(0, meanMs - resolutionMs),
      eventLoopUtilization: part,
      cpuUtilization: await this.#cpuUtilization(),
    };
    this.#isLooking = false;
    if (this.#isStopped) return;
    this.#load = load;
    const { maxEventLoopUtilization, maxEventLoopDelayMs, maxCpuUtilization } = this.#options;
    const isLate = part >= maxEventLoopUtilization && load.eventLoopDelayMs >= maxEventLoopDelayMs;
    this.#options.onLoad(load, isLate || load.cpuUtilization >= maxCpuUtilization);
  }

  async #cpuUtilization(): Promise<number> {
    const used = await readCgroupCpu();
    const at = performance.now();
    const before = this.#cpu;
    this.#cpu = used && { at, used };
    if (used === undefined || before === undefined) return 0;
    return (used.usedMs - before.used.usedMs) / ((at - before.at) * used.cpus);
  }
}

function requireOptions(options: ProcessLoadOptions): void {
  requireInteger("intervalMs", options.intervalMs, 10, 60_000);
  requireInteger("maxEventLoopDelayMs", options.maxEventLoopDelayMs, 1, 60_000);
  const { maxEventLoopUtilization: part, maxCpuUtilization } = options;
  if (!(part > 0 && part <= 1))
    throw new RangeError(`maxEventLoopUtilization must be a number above 0, up to 1, not ${part}`);
  if (!(maxCpuUtilization > 0))
    throw new RangeError(`maxCpuUtilization must be a number above 0, not ${maxCpuUtilization}`);
}
