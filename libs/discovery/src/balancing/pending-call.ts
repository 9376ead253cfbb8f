import type { Linked } from "@shoal/kernel";
import type { Endpoint, Outcome } from "./endpoint.ts";
import type { Member } from "./member.ts";

/** Told what becomes of calls, of each end once. */
export interface CallLedger {
  /** The call is really sent. */
  started(call: PendingCall): void;
  /** The call is over; undefined: it was never sent. */
  ended(call: PendingCall, outcome: Outcome | undefined): void;
}

/**
 * One call on its endpoint, in flight from when it was picked. States: picked, then perhaps started, then over; the first
 * of {@link end} and {@link abandon} ends it, and whatever is told it after that is ignored.
 */
export class PendingCall implements Linked<PendingCall> {
  /** Its neighbours among the calls of its endpoint. For their list alone. */
  previous: PendingCall | undefined = undefined;
  next: PendingCall | undefined = undefined;
  /** When it began, in milliseconds. For the balancer. */
  since: number;
  /** For the balancer. */
  readonly member: Member;
  /** For the balancer: how long it takes says nothing. */
  readonly streaming: boolean;
  #ledger: CallLedger | undefined;

  /** Made by the balancer. */
  constructor(ledger: CallLedger, member: Member, since: number, streaming: boolean) {
    this.since = since;
    this.#ledger = ledger;
    this.member = member;
    this.streaming = streaming;
  }

  /** Where the call goes. */
  get endpoint(): Endpoint {
    return this.member.endpoint;
  }

  /** It is really sent: what it takes counts from here. If never told, it counts from when it was picked. */
  started(): void {
    this.#ledger?.started(this);
  }

  /** It is over, and this is what it says of its endpoint. */
  end(outcome: Outcome): void {
    this.#end(outcome);
  }

  /** It was never sent; it leaves no trace. */
  abandon(): void {
    this.#end(undefined);
  }

  #end(outcome: Outcome | undefined): void {
    const ledger = this.#ledger;
    this.#ledger = undefined;
    ledger?.ended(this, outcome);
  }
}
