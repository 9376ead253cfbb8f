import type { Linked } from "@shoal/kernel";
import type { Member } from "./members.ts";

/**
 * The right to use a member until it is given back, by whichever of its methods is called first; all later calls do
 * nothing. Who acquires it must give it back. States: held → returned.
 */
export interface Lease<M> extends Disposable {
  /** What is lent. Not to be used after the return. */
  readonly member: M;
  /** As it was told when it acquired. */
  readonly borrower: string | undefined;
  /** Gives the member back. */
  release(): void;
  /**
   * Gives back a member that is broken: it is never lent again, and closed at once or with the return of its last other
   * lease. `reason` says why, in the pool's event.
   */
  discard(reason?: unknown): void;
}

/** What a lease tells its pool. */
export interface LeaseOwner<M> {
  /** The lease is over; its member is broken, by what `detail` says, or still good. */
  returned(lease: HeldLease<M>, broken: boolean, detail: unknown): void;
}

/** A lease as its pool sees it. */
export class HeldLease<M> implements Lease<M>, Linked<HeldLease<M>> {
  readonly borrower: string | undefined;
  readonly of: Member<M>;
  /** When it was lent, in the time of the pool's timers. */
  readonly since: number;
  /** Whether it was reported as leaked. */
  reported = false;
  previous: HeldLease<M> | undefined = undefined;
  next: HeldLease<M> | undefined = undefined;
  readonly #owner: LeaseOwner<M>;
  #held = true;

  constructor(owner: LeaseOwner<M>, of: Member<M>, since: number, borrower: string | undefined) {
    this.#owner = owner;
    this.of = of;
    this.since = since;
    this.borrower = borrower;
  }

  get member(): M {
    return this.of.value;
  }

  release(): void {
    this.#end(false, undefined);
  }

  discard(reason?: unknown): void {
    this.#end(true, reason);
  }

  [Symbol.dispose](): void {
    this.#end(false, undefined);
  }

  #end(broken: boolean, detail: unknown): void {
    if (!this.#held) return;
    this.#held = false;
    this.#owner.returned(this, broken, detail);
  }
}
