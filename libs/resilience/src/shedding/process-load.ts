import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { requireInteger } from "@shoal/kernel";
import { type CgroupCpu, readCgroupCpu } from "./cgroup-cpu.ts";

/** How busy this process is, over the last interval. */
export interface ProcessLoad {
  /** How long what is due waits for its turn of the event loop, on average, in milliseconds. */
  readonly eventLoopDelayMs: number;
  /** What part of the time the event loop had something to do, 0 to 1. */
  readonly eventLoopUtilization: number;
  /**
   * What part of the CPU time that its control group may use it has used, 0 to 1 and a little more; 0 without a limit, which
   * is seen within a minute where it is set later. As far as has been read: in a busy process this may be the figure of an
   * earlier interval.
   */
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

/** How often a control group without a limit is asked whether it has been given one, in milliseconds. */
const limitIntervalMs = 60_000;

const nanosPerMs = 1e6;

/** Watches how busy this process is. States: watching → stopped. It does not keep the process; the caller stops it. */
export class ProcessLoadWatch {
  readonly #options: ProcessLoadOptions;
  readonly #read: () => Promise<CgroupCpu | undefined>;
  readonly #delays: ReturnType<typeof monitorEventLoopDelay>;
  readonly #timer: NodeJS.Timeout;
  #utilization = performance.eventLoopUtilization();
  #cpu: { readonly at: number; readonly used: CgroupCpu } | undefined;
  #delayMs = 0;
  #isReadingCpu = false;
  #readCpuAt = 0;
  #cpuUtilization = 0;
  #load: ProcessLoad = { eventLoopDelayMs: 0, eventLoopUtilization: 0, cpuUtilization: 0 };

  /** Throws a `RangeError` for options out of range. `readCpu` tells of the control group; default: what the machine says. */
  constructor(
    options: Partial<ProcessLoadOptions> & Pick<ProcessLoadOptions, "onLoad">,
    readCpu: () => Promise<CgroupCpu | undefined> = readCgroupCpu,
  ) {
    this.#options = { ...defaultProcessLoadOptions, ...options };
    requireOptions(this.#options);
    this.#read = readCpu;
    this.#delays = monitorEventLoopDelay({ resolution: resolutionMs });
    this.#delays.enable();
    this.#timer = setInterval(() => this.#look(), this.#options.intervalMs).unref();
  }

  /** What the last look has shown; nothing to do before the first one. */
  get load(): ProcessLoad {
    return this.#load;
  }

  /** Ends it: nothing is told any more. May be called again. */
  stop(): void {
    clearInterval(this.#timer);
    this.#delays.disable();
  }

  #look(): void {
    // What ends a turn that was under way at a reset is not counted, so where turns last there may be nothing new yet.
    if (this.#delays.count > 0) {
      this.#delayMs = Math.max(0, this.#delays.mean / nanosPerMs - resolutionMs);
      this.#delays.reset();
    }
    const utilization = performance.eventLoopUtilization();
    const { utilization: part } = performance.eventLoopUtilization(utilization, this.#utilization);
    this.#utilization = utilization;
    // Not waited for: reading takes many turns of the event loop, and where each is late a look would take seconds.
    void this.#readCpu();
    const load = {
      eventLoopDelayMs: this.#delayMs,
      eventLoopUtilization: part,
      cpuUtilization: this.#cpuUtilization,
    };
    this.#load = load;
    const { maxEventLoopUtilization, maxEventLoopDelayMs, maxCpuUtilization } = this.#options;
    const isLate = part >= maxEventLoopUtilization && load.eventLoopDelayMs >= maxEventLoopDelayMs;
    this.#options.onLoad(load, isLate || load.cpuUtilization >= maxCpuUtilization);
  }

  async #readCpu(): Promise<void> {
    if (this.#isReadingCpu || performance.now() < this.#readCpuAt) return;
    this.#isReadingCpu = true;
    const read = await this.#read();
    this.#isReadingCpu = false;
    const at = performance.now();
    const before = this.#cpu;
    // Without a limit there is nothing to tell of.
    const used = read !== undefined && read.cpus < Number.POSITIVE_INFINITY ? read : undefined;
    // One read that fails says nothing of a limit that was there a moment ago.
    if (used === undefined && before === undefined) this.#readCpuAt = at + limitIntervalMs;
    this.#cpu = used && { at, used };
    this.#cpuUtilization =
      used === undefined || before === undefined
        ? 0
        : (used.usedMs - before.used.usedMs) / ((at - before.at) * used.cpus);
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
