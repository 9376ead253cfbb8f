import {
  AppError,
  type Clock,
  type Priority,
  requireInteger,
  systemClock,
  systemTimers,
  type Timers,
} from "@shoal/kernel";
import { type Waiter, WaitingLine } from "../waiting-line.ts";
import { defaultGradientLimitOptions, GradientLimit, type GradientLimitOptions } from "./gradient-limit.ts";

/** What a {@link LoadShedder} is asked to let in. */
export interface SheddableCall {
  /** What kind of call it is, such as its path: calls of one kind take about the same time. */
  readonly path: string;
  readonly priority: Priority;
  /** When its caller stops waiting: milliseconds since the epoch, `Infinity` for never. */
  readonly deadline: number;
  /** Aborts when its caller has gone. Looked at until the call is let in. */
  readonly signal: AbortSignal;
}

/** A call that has been let in. */
export interface AdmittedCall {
  /**
   * The work is over, once; what is said after that is dropped. `done`: as it should, or for want of time, so that its
   * latency says how busy we are; what has failed early says nothing of that.
   */
  end(done: boolean): void;
}

/** How a {@link LoadShedder} decides. */
export interface LoadShedderOptions extends GradientLimitOptions {
  /**
   * What part of the limit calls of each priority may fill, above 0, up to 1, and not more than those above them: the rest
   * is left for these.
   */
  readonly shares: Readonly<Record<Priority, number>>;
  /** How many calls may wait for their turn, 0 to 100,000; for one more the oldest of the lowest priority below it has to go. */
  readonly maxWaiting: number;
  /** How long a call waits, in milliseconds, 1 to 60,000, while no call of its priority is refused … */
  readonly patienceMs: number;
  /** … and how long, 1 to `patienceMs`, while some are: more would make all of them late, and bring no more of them in. */
  readonly hurriedMs: number;
  /** How long a critical call waits, in milliseconds, 1 to 60,000. */
  readonly criticalPatienceMs: number;
  /** What refused callers are told to wait, in milliseconds, 1 to 3,600,000. */
  readonly retryAfterMs: number;
  /** How much later than it came a call gets its turn because the process is busy, in milliseconds. Default: not at all. */
  readonly delayMs: () => number;
  /** Told when it begins to refuse calls of a priority, and when it has not for a second. Must not throw. */
  readonly onEvent?: (event: SheddingEvent) => void;
}

/** Calls of a priority are refused now, or are no more. */
export interface SheddingEvent {
  readonly type: "shedding";
  readonly priority: Priority;
  readonly refusing: boolean;
  /** How many calls may be at work now. */
  readonly limit: number;
}

/**
 * As {@link defaultGradientLimitOptions}; sheddable calls fill 90 % of the limit, default ones 95 %, critical ones all of
 * it; 1,000 may wait, for 240 ms or, while some are refused, 60 ms, critical ones for a second; refused callers come again after
 * 250 ms.
 */
export const defaultLoadShedderOptions: LoadShedderOptions = Object.freeze({
  ...defaultGradientLimitOptions,
  shares: Object.freeze({ critical: 1, default: 0.95, sheddable: 0.9 }),
  maxWaiting: 1_000,
  patienceMs: 240,
  hurriedMs: 60,
  criticalPatienceMs: 1_000,
  retryAfterMs: 250,
  delayMs: () => 0,
});

/** After so long without a refused call of a priority, its calls are let wait as before, in milliseconds. */
const calmMs = 1_000;

/** What part of the limit may wait while some are refused: enough to follow at once on those that end. */
const hurriedPart = 1 / 8;

/** The highest first. */
const priorities = ["critical", "default", "sheddable"] as const;
const ranks: Readonly<Record<Priority, number>> = { critical: 0, default: 1, sheddable: 2 };

/** Calls of one priority. */
interface Class {
  readonly priority: Priority;
  readonly waiting: WaitingLine<Waiting, AdmittedCall>;
  /** When one was refused last; `undefined` while they are patient. */
  refusedAt: number | undefined;
}

interface Waiting {
  readonly call: SheddableCall;
  readonly since: number;
}

/**
 * Lets in as many calls as can be worked on without each waiting for the others ({@link GradientLimit}), the highest
 * priority first, and refuses the rest at once or after a short wait (`exhausted`, `OVERLOADED`). Whose deadline passes, or
 * whose caller goes, while it waits is never let in.
 *
 * Waiting is after CoDel (Nichols and Jacobson, "Controlling Queue Delay", 2012) as Facebook uses it for requests ("Fail at
 * Scale", 2015): a queue that is gone soon is a burst, and worth some patience; one that stays only makes everything late.
 *
 * States of the calls of a priority: patient → (one has waited for `patienceMs`, or too many wait) refusing → (none refused
 * for a second) patient. Of a call: waiting → at work → over; refused from waiting, or at once.
 */
export class LoadShedder {
  readonly #options: LoadShedderOptions;
  readonly #timers: Timers;
  readonly #clock: Clock;
  readonly #limit: GradientLimit;
  readonly #classes: readonly Class[];
  /** The same for all: to make one costs more than all the rest of a refusal. */
  readonly #overloaded: AppError;
  #atWork = 0;
  #waiting = 0;
  #isPressed = false;
  #stopTimer: (() => void) | undefined;
  /** Whether the timer that is set is for those who wait, and not for calm. */
  #isSoon = false;

  /** `clock` is what deadlines are compared with. Throws a `RangeError` for options out of range. */
  constructor(options: Partial<LoadShedderOptions> = {}, timers: Timers = systemTimers, clock: Clock = systemClock) {
    this.#options = { ...defaultLoadShedderOptions, ...options };
    requireOptions(this.#options);
    this.#timers = timers;
    this.#clock = clock;
    this.#limit = new GradientLimit(this.#options, () => timers.now());
    this.#overloaded = overloaded(this.#options.retryAfterMs);
    const left = () => {
      this.#waiting -= 1;
    };
    this.#classes = priorities.map((priority) => ({ priority, waiting: new WaitingLine(left), refusedAt: undefined }));
  }

  /** How many calls may be at work now. */
  get limit(): number {
    return this.#limit.limit;
  }

  /** How many are. */
  get atWork(): number {
    return this.#atWork;
  }

  /** How many wait for their turn. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Lets a call in, at once or when it is its turn. Throws, or rejects with, an `AppError`: `exhausted` (`OVERLOADED`) when
   * there is no room; `timeout` (`DEADLINE_EXCEEDED`) when it would come too late; the signal's reason when its caller goes
   * while it waits. Whoever is let in says when the work is over.
   */
  enter(call: SheddableCall): AdmittedCall | Promise<AdmittedCall> {
    const rank = ranks[call.priority];
    const hasRoom = this.#hasRoom(rank);
    if (!hasRoom && this.refuses(call.priority)) throw this.#refuse(rank);
    if (this.#isTooLate(call)) throw tooLate();
    // Only now: a signal may be made when it is first asked for.
    return hasRoom ? this.#admit(call) : this.#wait(call, rank);
  }

  /** Whether a call of this priority would be refused at once now. Cheap: for asking before anything is known of a call. */
  refuses(priority: Priority): boolean {
    const rank = ranks[priority];
    if (this.#hasRoom(rank)) return false;
    this.#limit.reached();
    const { waiting, refusedAt } = this.#class(rank);
    if (this.#waiting >= this.#options.maxWaiting && this.#lowerOne(rank) === undefined) return true;
    if (rank === 0) return false;
    if (rank === 2 && (this.#isPressed || this.#class(1).refusedAt !== undefined)) return true;
    return refusedAt !== undefined && waiting.size >= Math.ceil(this.limit * hurriedPart);
  }

  /** Notes that a call of this priority has been refused because it {@link refuses} them; answers what to tell its caller. */
  refuse(priority: Priority): AppError {
    return this.#refuse(ranks[priority]);
  }

  /**
   * Says, again and again, whether the process or its machine has too much to do, whatever the latency: each time it does
   * the limit falls by a tenth, and until it does not sheddable calls do not wait.
   */
  press(isPressed: boolean): void {
    this.#isPressed = isPressed;
    if (isPressed) this.#limit.backOff();
  }

  #class(rank: number): Class {
    return this.#classes[rank] as Class;
  }

  /** Whether a call may begin. While somebody waits there is no room for any priority up to that one's: see `#admitWaiting`. */
  #hasRoom(rank: number): boolean {
    return this.#atWork < this.#room(rank);
  }

  #room(rank: number): number {
    return Math.max(1, Math.floor(this.limit * this.#options.shares[this.#class(rank).priority]));
  }

  #admit({ path }: SheddableCall): AdmittedCall {
    this.#atWork += 1;
    const startedAt = this.#timers.now() - this.#options.delayMs();
    let isOver = false;
    return {
      end: (done) => {
        if (isOver) return;
        isOver = true;
        if (done) this.#limit.sample(path, this.#timers.now() - startedAt, this.#atWork);
        this.#atWork -= 1;
        if (this.#waiting > 0) this.#admitWaiting();
      },
    };
  }

  #wait(call: SheddableCall, rank: number): Promise<AdmittedCall> {
    if (this.#waiting >= this.#options.maxWaiting) {
      const other = this.#lowerOne(rank);
      if (other !== undefined) this.#refuseFirst(other);
    }
    this.#waiting += 1;
    const { turn } = this.#class(rank).waiting.join({ call, since: this.#timers.now() }, call.signal);
    this.#schedule();
    return turn;
  }

  /** The lowest priority below `rank` of which one waits. */
  #lowerOne(rank: number): number | undefined {
    for (let other = this.#classes.length - 1; other > rank; other -= 1)
      if (this.#class(other).waiting.size > 0) return other;
    return undefined;
  }

  /** Those who wait, the highest priority first, as far as there is room. */
  #admitWaiting(): void {
    for (let rank = 0; rank < this.#classes.length; rank += 1) {
      const { waiting } = this.#class(rank);
      for (let first = waiting.first; first !== undefined; first = waiting.first) {
        if (this.#atWork >= this.#room(rank)) return;
        if (this.#isTooLate(first.item.call)) waiting.refuse(first, tooLate());
        else waiting.serve(this.#admit(first.item.call));
      }
    }
  }

  #isTooLate({ deadline }: SheddableCall): boolean {
    return deadline - this.#options.delayMs() <= this.#clock.now();
  }

  #patienceMs(rank: number): number {
    const { patienceMs, hurriedMs, criticalPatienceMs } = this.#options;
    if (rank === 0) return criticalPatienceMs;
    return this.#class(rank).refusedAt === undefined ? patienceMs : hurriedMs;
  }

  /** Refuses those who have waited for too long, and looks again while there is something to look at. */
  readonly #tick = () => {
    this.#stopTimer = undefined;
    const now = this.#timers.now();
    for (let rank = 0; rank < this.#classes.length; rank += 1) {
      const klass = this.#class(rank);
      const isTired = ({ item }: Waiter<Waiting, AdmittedCall>) => now - item.since >= this.#patienceMs(rank);
      while (klass.waiting.first !== undefined && isTired(klass.waiting.first)) this.#refuseFirst(rank);
      if (klass.refusedAt !== undefined && now - klass.refusedAt >= calmMs) this.#tell(klass, undefined);
    }
    this.#schedule();
  };

  #schedule(): void {
    const isSoon = this.#waiting > 0;
    if (this.#stopTimer !== undefined && (this.#isSoon || !isSoon)) return;
    const delayMs = isSoon ? this.#options.hurriedMs : this.#untilCalmMs();
    if (delayMs === Number.POSITIVE_INFINITY) return;
    this.#stopTimer?.();
    this.#isSoon = isSoon;
    this.#stopTimer = this.#timers.after(delayMs, this.#tick);
  }

  /** How long until calls of some priority may be patient again, 1 ms at least lest time stand still; `Infinity` where all are. */
  #untilCalmMs(): number {
    const now = this.#timers.now();
    let ms = Number.POSITIVE_INFINITY;
    for (const { refusedAt } of this.#classes)
      if (refusedAt !== undefined) ms = Math.min(ms, Math.max(1, refusedAt + calmMs - now));
    return ms;
  }

  #refuseFirst(rank: number): void {
    const { waiting } = this.#class(rank);
    if (waiting.first !== undefined) waiting.refuse(waiting.first, this.#refuse(rank));
  }

  #refuse(rank: number): AppError {
    const klass = this.#class(rank);
    const now = this.#timers.now();
    if (klass.refusedAt === undefined) this.#tell(klass, now);
    else klass.refusedAt = now;
    this.#schedule();
    return this.#overloaded;
  }

  #tell(klass: Class, refusedAt: number | undefined): void {
    klass.refusedAt = refusedAt;
    const { priority } = klass;
    this.#options.onEvent?.({ type: "shedding", priority, refusing: refusedAt !== undefined, limit: this.limit });
  }
}

function overloaded(retryAfterMs: number): AppError {
  return new AppError({
    kind: "exhausted",
    reason: "OVERLOADED",
    domain: "shoal.resilience",
    message: "the service has more to do than it can; try again later, or with a higher priority if it cannot wait",
    retryAfterMs,
  });
}

function tooLate(): AppError {
  return new AppError({
    kind: "timeout",
    reason: "DEADLINE_EXCEEDED",
    domain: "shoal.resilience",
    message: "the call's deadline passed before it was its turn",
  });
}

function requireOptions(options: LoadShedderOptions): void {
  for (const priority of priorities) {
    const share = options.shares[priority];
    if (!(share > 0 && share <= 1))
      throw new RangeError(`shares.${priority} must be a number above 0, up to 1, not ${share}`);
  }
  const { critical, default: middle, sheddable } = options.shares;
  if (middle > critical) throw new RangeError(`shares.default must be at most shares.critical, not ${middle}`);
  if (sheddable > middle) throw new RangeError(`shares.sheddable must be at most shares.default, not ${sheddable}`);
  requireInteger("maxWaiting", options.maxWaiting, 0, 100_000);
  requireInteger("patienceMs", options.patienceMs, 1, 60_000);
  requireInteger("hurriedMs", options.hurriedMs, 1, options.patienceMs);
  requireInteger("criticalPatienceMs", options.criticalPatienceMs, 1, 60_000);
  requireInteger("retryAfterMs", options.retryAfterMs, 1, 3_600_000);
}
