import { LinkedList, maxDelayMs } from "@shoal/kernel";
import { attempt } from "./attempt.ts";
import { HeldLease, type Lease, type LeaseOwner } from "./lease.ts";
import { type Member, Members } from "./members.ts";
import type { CloseReason, PoolEvent, RefusalReason } from "./pool-events.ts";
import { type CompletePoolOptions, completePoolOptions, type PoolOptions } from "./pool-options.ts";
import { acquireTimeout, type Borrower, type Crowd, deadlineExceeded, poolClosed, queueFull } from "./refusals.ts";
import { type AcquireOptions, WaiterQueue, type Waiting } from "./waiter-queue.ts";

/** The figures of a pool, at one moment. */
export interface PoolStats {
  /** Members that are open, in use or not. */
  readonly open: number;
  /** Members that are being opened. */
  readonly opening: number;
  /** Open members that nobody uses. */
  readonly idle: number;
  /** Leases that are out. */
  readonly inUse: number;
  /** Callers that wait. */
  readonly waiting: number;
  /** How many leases could be out with the members that are open. */
  readonly capacity: number;
}

/** How many of those who hold a lease longest a refusal names. */
const namedBorrowers = 3;

/**
 * Shares members that are costly to open: no more than `max` of them, each with no more users at once than it serves. It
 * opens them when they are needed, a little ahead, and closes those that are not. Callers that find none wait in order, for
 * a bounded time, and no more than `maxWaiters` of them.
 *
 * States: open → draining → closed. Those of a member are at {@link Member}. Begins to open `min` members when made; who
 * made it drains it.
 */
export class Pool<M> {
  readonly #options: CompletePoolOptions<M>;
  readonly #members: Members<M>;
  readonly #waiters: WaiterQueue<Lease<M>>;
  /** Leases that are out, the oldest first. */
  readonly #leases = new LinkedList<HeldLease<M>>();
  readonly #owner: LeaseOwner<M>;
  /** Opens and checks at work. */
  readonly #attempts = new Set<AbortController>();
  readonly #closes = new Set<Promise<void>>();
  #opening = 0;
  /** Users that the members being checked will serve. */
  #checking = 0;
  /** Opens that failed since one has succeeded, and when the next may begin. */
  #failures = 0;
  #retryAt = Number.NEGATIVE_INFINITY;
  /** When the pool looks after itself next. */
  #wakeAt = Number.POSITIVE_INFINITY;
  #cancelWake = () => {};
  #draining: Promise<number> | undefined;
  /** Called when the last lease has returned, or nothing is at work any more. */
  #onQuiet = () => {};

  /** Throws a `RangeError` that names an option which is out of its range. */
  constructor(options: PoolOptions<M>) {
    this.#options = completePoolOptions(options);
    const { clock, timers, acquireTimeoutMs } = this.#options;
    this.#members = new Members(this.#options);
    this.#waiters = new WaiterQueue({ clock, timers, acquireTimeoutMs, refuse: this.#refusal.bind(this) });
    this.#owner = { returned: (lease, broken, detail) => this.#returned(lease, broken, detail) };
    // Once its maker has it: what opens a member may want to speak of the pool.
    queueMicrotask(() => this.#grow(0));
  }

  /** The pool's figures now. */
  get stats(): PoolStats {
    const { size, idle, capacity } = this.#members;
    return {
      open: size,
      opening: this.#opening,
      idle,
      inUse: this.#leases.size,
      waiting: this.#waiters.size,
      capacity,
    };
  }

  /** How many leases are wanted: those that are out, and those that callers wait for. */
  get wanted(): number {
    return this.#leases.size + this.#waiters.size;
  }

  /** Whether another lease finds room on a member that is open. It may need a check first. */
  get hasRoom(): boolean {
    return this.#members.inUse < this.#members.capacity;
  }

  /**
   * How much is wanted of what the pool could give at most: `wanted` by the users that `max` members serve. Above 1 callers wait; 0 where members serve any number of users, or it is not known yet how many.
   */
  get pressure(): number {
    return this.wanted / (this.#options.max * this.#members.expectedLimit);
  }

  /**
   * A lease, if a member is free at once and nobody waits. Otherwise `undefined`, and one more member is on its way if
   * there may be one. Members that must be checked first are not free at once. After `drain` always `undefined`.
   */
  tryAcquire(borrower?: string): Lease<M> | undefined {
    if (this.#draining !== undefined || this.#waiters.size > 0) return undefined;
    const now = this.#options.timers.now();
    const member = this.#members.pick(now);
    if (member === undefined) {
      this.#grow(1);
      return undefined;
    }
    const lease = this.#lend(member, now, now, borrower);
    this.#growAhead(now);
    return lease;
  }

  /**
   * A lease, as soon as it is this caller's turn. Rejects, with an `AppError` of the domain `shoal.pool` unless said
   * otherwise:
   *
   *  - `exhausted`, `POOL_QUEUE_FULL`: `maxWaiters` callers wait already; at once
   *  - `exhausted`, `POOL_ACQUIRE_TIMEOUT`: nothing became free within `acquireTimeoutMs`; says who holds what there is
   *  - `timeout`, `DEADLINE_EXCEEDED`: the caller's deadline passed first; at once where it has passed already
   *  - the signal's reason: it aborted first; at once where it has aborted already
   *  - the error of `open`: no member is open or being opened any more, and the last attempt failed
   *  - `unavailable`, `POOL_CLOSED`: the pool has been told to drain
   */
  async acquire(options: AcquireOptions = {}): Promise<Lease<M>> {
    const { deadline, signal, borrower } = options;
    const now = this.#options.timers.now();
    const caller = { borrower, since: now };
    if (this.#draining !== undefined) throw this.#refusal("closed", caller);
    if (signal?.aborted) throw this.#refusal("aborted", caller, signal.reason);
    if (deadline !== undefined && deadline <= this.#options.clock.now()) throw this.#refusal("deadline", caller);
    const lease = this.tryAcquire(borrower);
    if (lease !== undefined) return lease;
    const { size } = this.#waiters;
    const coming = this.#grow(size + 1, true);
    // Those for whom a member is on its way do not count. Where nobody knows for how many, it is for one at least.
    if (size >= this.#options.maxWaiters + (coming === Number.POSITIVE_INFINITY ? 1 : coming))
      throw this.#refusal("queue-full", caller);
    return await this.#waiters.wait(options);
  }

  /** Acquires, runs `work`, and gives the member back whatever happens; answers what `work` answers. */
  async use<R>(work: (member: M, lease: Lease<M>) => R | Promise<R>, options?: AcquireOptions): Promise<R> {
    using lease = await this.acquire(options);
    return await work(lease.member, lease);
  }

  /**
   * A member has broken by itself: it is closed at once, though there are leases of it, and replaced where there are fewer
   * than `min` or somebody waits. Answers whether it was open in this pool. `reason` is for the pool's event.
   */
  remove(value: M, reason?: unknown): boolean {
    const member = this.#members.find(value);
    if (member === undefined) return false;
    this.#close(member, "removed", reason);
    this.#grow(this.#waiters.size);
    return true;
  }

  /** A member serves another number of users than when it was asked last: those who wait may be served. */
  limitChanged(value: M): void {
    const member = this.#members.find(value);
    if (member === undefined) return;
    this.#members.refresh(member);
    this.#serve();
  }

  /** All who hold a lease, the longest first. */
  borrowers(): Borrower[] {
    return Array.from(this.#leases, (lease) => this.#borrower(lease));
  }

  /** Those who have held a lease for `leakAfterMs` or longer, the longest first. */
  leaks(): Borrower[] {
    return this.borrowers().filter(({ heldMs }) => heldMs >= this.#options.leakAfterMs);
  }

  /**
   * Ends the pool: refuses all who wait and who come, waits up to `graceMs` (a number from 0, or `Infinity`) for the leases
   * to return, then closes every member, in use or not, and waits until all are closed. Answers how many leases were still
   * out. Called again it answers the same. Never rejects.
   */
  drain(graceMs: number): Promise<number> {
    this.#draining ??= this.#drain(graceMs);
    return this.#draining;
  }

  async #drain(graceMs: number): Promise<number> {
    // Not before `drain` has noted that it goes on.
    await undefined;
    this.#cancelWake();
    this.#waiters.refuseAll("closed");
    for (const controller of this.#attempts) controller.abort(poolClosed(this.#options.name));
    for (const member of this.#members) if (member.inUse === 0) this.#close(member, "drained");
    await this.#quiet(() => this.#leases.size === 0, graceMs);
    const out = this.#leases.size;
    for (const member of this.#members) this.#close(member, "drained");
    // Each of them ends in time.
    await this.#quiet(() => this.#attempts.size === 0, Number.POSITIVE_INFINITY);
    await Promise.all(this.#closes);
    return out;
  }

  /** Waits until `isQuiet`, or for `graceMs`. */
  #quiet(isQuiet: () => boolean, graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        cancel();
        this.#onQuiet = () => {};
        resolve();
      };
      const cancel = graceMs > maxDelayMs ? () => {} : this.#options.timers.after(graceMs, end);
      this.#onQuiet = () => isQuiet() && end();
      this.#onQuiet();
    });
  }

  // Lending.

  #lend(member: Member<M>, now: number, since: number, borrower: string | undefined): HeldLease<M> {
    member.inUse += 1;
    this.#members.refresh(member);
    const lease = new HeldLease(this.#owner, member, now, borrower);
    this.#leases.push(lease);
    this.#wakeBy(now + this.#options.leakAfterMs);
    if (this.#options.onEvent) this.#emit({ type: "acquired", waitMs: now - since, borrower });
    return lease;
  }

  #returned(lease: HeldLease<M>, broken: boolean, detail: unknown): void {
    const now = this.#options.timers.now();
    const { of: member, borrower } = lease;
    this.#leases.delete(lease);
    member.inUse -= 1;
    if (this.#options.onEvent) this.#emit({ type: "released", heldMs: now - lease.since, borrower });
    if (member.state !== "closed") this.#takeBack(member, now, broken, detail);
    if (this.#waiters.size > 0) this.#serve();
    else if (this.#size < this.#options.min) this.#grow(0);
    this.#onQuiet();
  }

  #takeBack(member: Member<M>, now: number, broken: boolean, detail: unknown): void {
    if (broken) member.state = "broken";
    else if (member.state === "ready" && now >= member.retireAt) member.state = "aged";
    member.idleSince = now;
    if (member.inUse > 0) this.#members.refresh(member);
    else if (this.#draining !== undefined) this.#close(member, "drained");
    else if (member.state === "aged") this.#close(member, "age");
    else if (member.state === "broken") this.#close(member, "discarded", detail);
    else {
      this.#members.refresh(member);
      if (this.#members.size > this.#options.min) this.#wakeBy(now + this.#options.idleMs);
    }
  }

  /** Lends what is free to those who wait, and opens more for the others. */
  #serve(): void {
    const now = this.#options.timers.now();
    while (this.#waiters.size > 0) {
      const member = this.#members.pick(now);
      if (member === undefined) break;
      this.#waiters.serve(({ since, borrower }) => this.#lend(member, now, since, borrower));
    }
    this.#grow(this.#waiters.size);
  }

  // Growing.

  /**
   * Has enough members on their way for `wanted` users who find no room, and for `min`. Answers how many users those will
   * serve that are on their way. `waits`: whether somebody waits for it.
   */
  #grow(wanted: number, waits = this.#waiters.size > 0): number {
    if (this.#draining !== undefined) return 0;
    const { min, max, timers } = this.#options;
    const now = timers.now();
    // Infinite where it is not known how many a member serves: then one is enough to find out.
    let coming = this.#checking;
    if (this.#opening > 0) coming += this.#opening * this.#members.expectedLimit;
    while (coming < wanted) {
      const member = this.#members.takeUnchecked(now);
      if (member === undefined) break;
      coming += Math.max(1, member.limit);
      void this.#check(member);
    }
    for (let size = this.#size; size < max && (coming < wanted || size < min); size += 1) {
      // Those who wait while nothing is there learn at once whether anything can be.
      const urgent = size === 0 && waits;
      if (now < this.#retryAt && !urgent) {
        this.#wakeBy(this.#retryAt);
        break;
      }
      coming += this.#members.expectedLimit;
      void this.#open(now);
    }
    return coming;
  }

  /** Opens one more before all that is open is in use. */
  #growAhead(now: number): void {
    const { growAt, max } = this.#options;
    if (this.#members.inUse < growAt * this.#members.capacity) return;
    if (this.#opening === 0 && this.#size < max && now >= this.#retryAt) void this.#open(now);
  }

  /** Members that are open or being opened. */
  get #size(): number {
    return this.#members.size + this.#opening;
  }

  async #open(begunAt: number): Promise<void> {
    this.#opening += 1;
    const { open, timers, maxAgeMs, ageJitter, random, idleMs } = this.#options;
    try {
      const value = await this.#attempt("an open", open, (late) => this.#dispose(late, begunAt, "late", undefined));
      const now = timers.now();
      if (this.#draining !== undefined) return this.#dispose(value, begunAt, "drained", undefined);
      const member = this.#members.add(value, now, now + maxAgeMs * (1 - ageJitter * random()));
      this.#failures = 0;
      this.#retryAt = Number.NEGATIVE_INFINITY;
      this.#wakeBy(Math.min(now + idleMs, member.retireAt));
      this.#emit({ type: "opened", tookMs: now - begunAt });
    } catch (error) {
      if (this.#draining === undefined) this.#openFailed(error, begunAt);
    } finally {
      this.#opening -= 1;
      this.#onQuiet();
    }
    this.#serve();
  }

  #openFailed(error: unknown, begunAt: number): void {
    const { timers, minBackoffMs, maxBackoffMs, random } = this.#options;
    const now = timers.now();
    const wholeMs = Math.min(maxBackoffMs, minBackoffMs * 2 ** Math.min(this.#failures, 30));
    // A random half is taken off, so that those who failed together do not return together.
    const retryInMs = wholeMs * (1 - random() / 2);
    this.#failures += 1;
    this.#retryAt = now + retryInMs;
    this.#emit({ type: "open-failed", error, tookMs: now - begunAt, retryInMs });
    if (this.#members.size === 0 && this.#opening === 1) this.#waiters.refuseAll("open-failed", error);
  }

  async #check(member: Member<M>): Promise<void> {
    const { check = async () => true, timers, idleMs } = this.#options;
    const limit = Math.max(1, member.limit);
    this.#checking += limit;
    let good = false;
    let detail: unknown;
    try {
      good = await this.#attempt("a check", (signal) => check(member.value, signal));
    } catch (error) {
      detail = error;
    }
    this.#checking -= limit;
    this.#onQuiet();
    // Removed meanwhile: until now it counted as on its way for those who wait.
    if (member.state !== "checking") {
      this.#grow(this.#waiters.size);
      return;
    }
    if (this.#draining !== undefined) return this.#close(member, "drained");
    if (good) {
      member.state = "ready";
      member.idleSince = timers.now();
      this.#members.refresh(member);
      this.#wakeBy(member.idleSince + idleMs);
    } else this.#close(member, "check", detail);
    this.#serve();
  }

  async #attempt<T>(what: string, work: (signal: AbortSignal) => Promise<T>, onLate?: (value: T) => void): Promise<T> {
    const { timers, openTimeoutMs, name } = this.#options;
    const controller = new AbortController();
    this.#attempts.add(controller);
    const limits = { timers, timeoutMs: openTimeoutMs, what: `${what} of the ${name}`, controller };
    try {
      return await attempt(work, { ...limits, ...(onLate && { onLate }) });
    } finally {
      this.#attempts.delete(controller);
    }
  }

  // Shrinking.

  #close(member: Member<M>, reason: CloseReason, detail?: unknown): void {
    this.#members.remove(member);
    this.#dispose(member.value, member.openedAt, reason, detail);
  }

  #dispose(value: M, openedAt: number, reason: CloseReason, detail: unknown): void {
    this.#emit({ type: "closed", reason, detail, ageMs: this.#options.timers.now() - openedAt });
    const closing = this.#closed(value).then(() => {
      this.#closes.delete(closing);
    });
    this.#closes.add(closing);
  }

  async #closed(value: M): Promise<void> {
    try {
      await this.#options.close(value);
    } catch (error) {
      this.#emit({ type: "close-failed", error });
    }
  }

  /** Has the pool look after itself at `at` or before. */
  #wakeBy(at: number): void {
    if (at >= this.#wakeAt || this.#draining !== undefined) return;
    this.#cancelWake();
    this.#wakeAt = at;
    const delayMs = Math.min(Math.max(0, at - this.#options.timers.now()), maxDelayMs);
    this.#cancelWake = this.#options.timers.after(delayMs, () => {
      this.#wakeAt = Number.POSITIVE_INFINITY;
      this.#lookAfter();
    });
  }

  /** Closes what is too old or has been idle for too long, reports leaks, opens what is missing, and says when to look next. */
  #lookAfter(): void {
    const now = this.#options.timers.now();
    const { min, idleMs } = this.#options;
    for (const member of this.#members) {
      if (member.state === "ready" && now >= member.retireAt) this.#retire(member);
      if (member.retireAt > now) this.#wakeBy(member.retireAt);
    }
    while (this.#members.size > min) {
      const member = this.#members.longestIdle;
      if (member === undefined) break;
      if (now - member.idleSince < idleMs) {
        this.#wakeBy(member.idleSince + idleMs);
        break;
      }
      this.#close(member, "idle");
    }
    this.#reportLeaks(now);
    this.#grow(this.#waiters.size);
  }

  #retire(member: Member<M>): void {
    if (member.inUse === 0) this.#close(member, "age");
    else {
      // Its last user's return closes it; until then it is lent only where no other has room, and no longer counts.
      member.state = "aged";
      this.#members.refresh(member);
      this.#growAhead(this.#options.timers.now());
    }
  }

  #reportLeaks(now: number): void {
    const { leakAfterMs } = this.#options;
    for (const lease of this.#leases) {
      const heldMs = now - lease.since;
      if (heldMs < leakAfterMs) {
        this.#wakeBy(lease.since + leakAfterMs);
        break;
      }
      if (!lease.reported) this.#emit({ type: "leaked", heldMs, borrower: lease.borrower });
      lease.reported = true;
    }
  }

  // Telling.

  #refusal(reason: RefusalReason, { borrower, since }: Waiting, cause?: unknown): unknown {
    const waitMs = this.#options.timers.now() - since;
    this.#emit({ type: "refused", reason, waitMs, borrower });
    switch (reason) {
      case "queue-full":
        return queueFull(this.#crowd());
      case "timeout":
        return acquireTimeout(this.#crowd(), waitMs);
      case "deadline":
        return deadlineExceeded(this.#crowd(), waitMs);
      case "closed":
        return poolClosed(this.#options.name);
      default:
        return cause;
    }
  }

  #crowd(): Crowd {
    const longest: Borrower[] = [];
    for (const lease of this.#leases) {
      if (longest.push(this.#borrower(lease)) === namedBorrowers) break;
    }
    return { name: this.#options.name, inUse: this.#leases.size, waiting: this.#waiters.size, longest };
  }

  #borrower({ borrower, since }: HeldLease<M>): Borrower {
    return { borrower, heldMs: this.#options.timers.now() - since };
  }

  #emit(event: PoolEvent): void {
    try {
      this.#options.onEvent?.(event);
    } catch {
      // Whoever listens must not harm those who borrow.
    }
  }
}
