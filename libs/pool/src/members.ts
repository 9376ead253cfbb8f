import type { CompletePoolOptions } from "./pool-options.ts";

/**
 * One member of a pool. States: ready ⇄ checking (while no one uses it) → aged (too old: lent only where no other has room)
 * → closed; ready and aged → broken (not lent any more) → closed. Aged and broken members are closed with the return of
 * their last lease; a member that is removed is closed at once, in whatever state.
 */
export interface Member<M> {
  readonly value: M;
  state: "ready" | "checking" | "aged" | "broken" | "closed";
  /** Leases of it that are out. */
  inUse: number;
  /** How many it serves at once, as known last. */
  limit: number;
  /** What of `limit` counts as the pool's capacity. */
  counted: number;
  /** What of `inUse` takes from that. */
  countedInUse: number;
  readonly openedAt: number;
  readonly retireAt: number;
  /** Since when nobody uses it, or since it was opened or checked. */
  idleSince: number;
  /** The list that it stands in, and where in `partial`. */
  list: "idle" | "partial" | "none";
  index: number;
}

/**
 * The open members of a pool, and which of them is lent next:
 *
 *  1. of those in use below the share `growAt`, the fullest: the load stays on few members, so the others become idle and
 *     can be closed;
 *  2. of those that nobody uses, the one used last: it is the surest to work, and the others become older and can be closed;
 *  3. the emptiest of those in use: past `growAt` all are filled evenly;
 *  4. one that is too old.
 *
 * Where a member serves one user there are only the second and idle ones, so lending takes constant time; else it takes
 * time by the number of members in use.
 */
export class Members<M> {
  readonly #options: Pick<CompletePoolOptions<M>, "concurrency" | "growAt" | "check" | "checkAfterMs">;
  readonly #all = new Map<M, Member<M>>();
  /** Ready and used by nobody, the one used last at the end. */
  readonly #idle: Member<M>[] = [];
  /** Ready or aged, and used by some, with room for more when last seen. */
  readonly #partial: Member<M>[] = [];
  #capacity = 0;
  #inUse = 0;
  #expectedLimit: number;

  constructor(options: Pick<CompletePoolOptions<M>, "concurrency" | "growAt" | "check" | "checkAfterMs">) {
    this.#options = options;
    // Until one is open nobody knows; to expect much opens few.
    this.#expectedLimit = typeof options.concurrency === "number" ? options.concurrency : Number.POSITIVE_INFINITY;
  }

  /** How many are open, in any state. */
  get size(): number {
    return this.#all.size;
  }

  /** How many nobody uses. */
  get idle(): number {
    return this.#idle.length;
  }

  /** How many users the open members serve at once, those apart that are too old or broken. */
  get capacity(): number {
    return this.#capacity;
  }

  /** How many users those members have that count for {@link capacity}. */
  get inUse(): number {
    return this.#inUse;
  }

  /** How many users one more member would serve, as far as anybody knows. */
  get expectedLimit(): number {
    return this.#expectedLimit;
  }

  /** All, in the order in which they were opened. */
  [Symbol.iterator](): IterableIterator<Member<M>> {
    return this.#all.values();
  }

  /** The member with this value, if it is open. */
  find(value: M): Member<M> | undefined {
    return this.#all.get(value);
  }

  /** Takes in a member that was opened now and is to be replaced from `retireAt` on. Throws when it is here already. */
  add(value: M, now: number, retireAt: number): Member<M> {
    if (this.#all.has(value)) throw new Error("open must answer another member each time");
    const member: Member<M> = {
      value,
      state: "ready",
      inUse: 0,
      limit: 0,
      counted: 0,
      countedInUse: 0,
      openedAt: now,
      retireAt,
      idleSince: now,
      list: "none",
      index: 0,
    };
    this.#all.set(value, member);
    this.refresh(member);
    return member;
  }

  /** The member to lend next, if any has room and needs no check before. */
  pick(now: number): Member<M> | undefined {
    let fullest: Member<M> | undefined;
    let fullestShare = -1;
    let emptiest: Member<M> | undefined;
    let emptiestShare = 2;
    let aged: Member<M> | undefined;
    for (const member of this.#partial) {
      this.#ask(member);
      if (member.inUse >= member.limit) continue;
      const share = member.limit === Number.POSITIVE_INFINITY ? 0 : member.inUse / member.limit;
      if (member.state === "aged") aged = member;
      else if (share < this.#options.growAt) {
        if (share > fullestShare) {
          fullest = member;
          fullestShare = share;
        }
      } else if (share < emptiestShare) {
        emptiest = member;
        emptiestShare = share;
      }
    }
    return fullest ?? this.#lastUsed(now) ?? emptiest ?? aged;
  }

  /** A member that nobody uses and that must be checked before it is lent, the one used last; it is `checking` from now on. */
  takeUnchecked(now: number): Member<M> | undefined {
    const member = this.#idle.at(-1);
    if (member === undefined || !this.#needsCheck(member, now)) return undefined;
    member.state = "checking";
    this.#place(member);
    return member;
  }

  /** The member that nobody has used for longest. */
  get longestIdle(): Member<M> | undefined {
    return this.#idle[0];
  }

  /** Puts a member where it belongs, after a change of its state or its users, and asks for its limit. */
  refresh(member: Member<M>): void {
    this.#ask(member);
    this.#place(member);
  }

  /** Forgets a member. */
  remove(member: Member<M>): void {
    member.state = "closed";
    this.#all.delete(member.value);
    this.#place(member);
  }

  #lastUsed(now: number): Member<M> | undefined {
    for (let index = this.#idle.length - 1; index >= 0; index -= 1) {
      const member = this.#idle[index] as Member<M>;
      // Those below have been idle for longer.
      if (this.#needsCheck(member, now)) return undefined;
      this.#ask(member);
      if (member.limit > 0) return member;
    }
    return undefined;
  }

  #needsCheck(member: Member<M>, now: number): boolean {
    const { check, checkAfterMs } = this.#options;
    return check !== undefined && now - member.idleSince >= checkAfterMs;
  }

  #ask(member: Member<M>): void {
    const { concurrency } = this.#options;
    member.limit = typeof concurrency === "number" ? concurrency : concurrency(member.value);
    // A peer that takes no more now will take some later.
    this.#expectedLimit = Math.max(1, member.limit);
    this.#count(member);
  }

  #count(member: Member<M>): void {
    const isCounted = member.state === "ready" || member.state === "checking";
    const inUse = isCounted ? member.inUse : 0;
    this.#inUse += inUse - member.countedInUse;
    member.countedInUse = inUse;
    const counts = isCounted ? member.limit : 0;
    if (counts === member.counted) return;
    member.counted = counts;
    this.#capacity = 0;
    for (const { counted } of this.#all.values()) this.#capacity += counted;
  }

  #place(member: Member<M>): void {
    this.#count(member);
    const list = this.#listOf(member);
    if (list === member.list) return;
    if (member.list === "idle") this.#leaveIdle(member);
    else if (member.list === "partial") this.#leavePartial(member);
    member.list = list;
    if (list === "idle") this.#idle.push(member);
    else if (list === "partial") member.index = this.#partial.push(member) - 1;
  }

  #listOf({ state, inUse, limit }: Member<M>): Member<M>["list"] {
    if (state === "ready" && inUse === 0) return "idle";
    return (state === "ready" || state === "aged") && inUse < limit ? "partial" : "none";
  }

  #leaveIdle(member: Member<M>): void {
    if (this.#idle.at(-1) === member) this.#idle.pop();
    else this.#idle.splice(this.#idle.indexOf(member), 1);
  }

  #leavePartial(member: Member<M>): void {
    const last = this.#partial.pop() as Member<M>;
    if (last === member) return;
    this.#partial[member.index] = last;
    last.index = member.index;
  }
}
