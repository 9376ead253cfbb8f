import type { Timers } from "@shoal/kernel";
import { LoadShedder, type LoadShedderOptions } from "./load-shedder.ts";
import { type ProcessLoad, type ProcessLoadOptions, ProcessLoadWatch } from "./process-load.ts";

/** How a {@link ProcessShedder} decides. */
export interface ProcessShedderOptions extends Omit<LoadShedderOptions, "delayMs"> {
  /** When the process has too much to do, whatever the latency of its calls. */
  readonly process: Partial<Omit<ProcessLoadOptions, "onLoad">>;
}

/**
 * A {@link LoadShedder} that also knows how busy its process is: how late the event loop is counts as latency of each call
 * and is taken from its time, and a loop or a control group that has no time left presses the limit. States: watching →
 * stopped, when it decides by latency only. It does not keep the process; the caller stops it.
 */
export class ProcessShedder extends LoadShedder {
  readonly #watch: ProcessLoadWatch;
  readonly #forgetDelay: () => void;

  /** Throws a `RangeError` for options out of range. */
  constructor(options: Partial<ProcessShedderOptions> = {}, timers?: Timers) {
    const { process, ...others } = options;
    let delayMs = 0;
    super({ ...others, delayMs: () => delayMs }, timers);
    this.#forgetDelay = () => {
      delayMs = 0;
    };
    this.#watch = new ProcessLoadWatch({
      ...process,
      onLoad: (load, isTooMuch) => {
        delayMs = load.eventLoopDelayMs;
        this.press(isTooMuch);
      },
    });
  }

  /** How busy the process is. */
  get load(): ProcessLoad {
    return this.#watch.load;
  }

  /** Looks at the process no more. May be called again. */
  stop(): void {
    this.#watch.stop();
    // What was seen last would hold for ever.
    this.#forgetDelay();
    this.press(false);
  }
}
