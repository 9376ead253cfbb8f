/** Waiting for a lock would never end, as its holder waits for one of the waiter's. */
export class DeadlockError extends Error {
  override readonly name = "DeadlockError";
}

/** A lock was waited for in vain for as long as anybody waits. */
export class LockWaitError extends Error {
  override readonly name = "LockWaitError";
}

interface RowLock<T> {
  holder: T;
  readonly queue: { readonly owner: T; readonly granted: () => void; readonly callOff: () => void }[];
}

/** Runs something when a wait has been too long, unless the answered function is called before. */
export type AfterLockWait = (run: () => void) => () => void;

/** Exclusive locks on rows by key, given in the order in which they were asked for, kept until their owner releases all. */
export class RowLocks<T extends object> {
  /** How long is waited. Default: for ever. */
  afterLockWait: AfterLockWait = () => () => {};
  readonly #locks = new Map<string, RowLock<T>>();
  readonly #held = new Map<T, Set<string>>();
  readonly #awaited = new Map<T, string>();

  /** Whether anybody but `owner` has the lock. */
  isTaken(owner: T, key: string): boolean {
    const holder = this.#locks.get(key)?.holder;
    return holder !== undefined && holder !== owner;
  }

  /**
   * Resolves when `owner` has the lock. Throws a {@link DeadlockError} where that would never be, and a
   * {@link LockWaitError} where it takes too long.
   */
  async acquire(owner: T, key: string): Promise<void> {
    const lock = this.#locks.get(key);
    if (lock?.holder === owner) return;
    if (lock === undefined) {
      this.#locks.set(key, { holder: owner, queue: [] });
      this.#holds(owner, key);
      return;
    }
    if (this.#waitsFor([lock.holder, ...lock.queue.map((waiter) => waiter.owner)], owner))
      throw new DeadlockError(`a deadlock, found at ${key}`);
    this.#awaited.set(owner, key);
    await new Promise<void>((resolve, reject) => {
      const callOff = this.afterLockWait(() => {
        this.#leave(owner);
        reject(new LockWaitError(`${key} is locked by somebody else`));
      });
      const granted = () => {
        callOff();
        resolve();
      };
      lock.queue.push({ owner, granted, callOff });
    });
  }

  /** Gives all locks of `owner` to those who wait, and takes it out of the queue where it waits itself. */
  releaseAll(owner: T): void {
    this.#leave(owner);
    for (const key of this.#held.get(owner) ?? []) {
      const lock = this.#locks.get(key);
      const next = lock?.queue.shift();
      if (lock === undefined || next === undefined) {
        this.#locks.delete(key);
        continue;
      }
      lock.holder = next.owner;
      this.#awaited.delete(next.owner);
      this.#holds(next.owner, key);
      next.granted();
    }
    this.#held.delete(owner);
  }

  /** Takes `owner` out of the queue in which it waits, if any. */
  #leave(owner: T): void {
    const awaited = this.#awaited.get(owner);
    if (awaited === undefined) return;
    this.#awaited.delete(owner);
    const queue = this.#locks.get(awaited)?.queue ?? [];
    const [waiter] = queue.splice(
      queue.findIndex((one) => one.owner === owner),
      1,
    );
    waiter?.callOff();
  }

  #holds(owner: T, key: string): void {
    const held = this.#held.get(owner);
    if (held === undefined) this.#held.set(owner, new Set([key]));
    else held.add(key);
  }

  /** Whether one of `owners` waits, perhaps by way of others, for `wanted`. */
  #waitsFor(owners: readonly T[], wanted: T, seen = new Set<T>()): boolean {
    return owners.some((owner) => {
      if (owner === wanted) return true;
      if (seen.has(owner)) return false;
      seen.add(owner);
      const key = this.#awaited.get(owner);
      const lock = key === undefined ? undefined : this.#locks.get(key);
      if (lock === undefined) return false;
      const ahead = lock.queue.slice(
        0,
        lock.queue.findIndex((waiter) => waiter.owner === owner),
      );
      return this.#waitsFor([lock.holder, ...ahead.map((waiter) => waiter.owner)], wanted, seen);
    });
  }
}
