import { type Channel, Metadata, type StatusObject, status } from "@grpc/grpc-js";
import type { Endpoint } from "@shoal/discovery";
import type { CallContext } from "@shoal/kernel";
import type { Bulkhead, Release, RetryBudget } from "@shoal/resilience";
import { pushbackOf } from "../errors.ts";
import { markFinal } from "../final-errors.ts";
import type { MethodPolicy } from "../policy.ts";
import { tell } from "../tell.ts";
import { Attempt } from "./attempt.ts";
import type { AttemptObserver } from "./attempt-metrics.ts";
import type { PolicyGuard } from "./breakers.ts";
import { type CallFailure, failureOf, noAnswer, responseTruncated } from "./call-failure.ts";
import { cancelOn, release } from "./cancel-on-abort.ts";
import type { ClientCall } from "./client-call.ts";
import type { AttemptClock, FurtherAttempts, RepeatedCall } from "./further-attempts.ts";
import { Hedging } from "./hedging.ts";
import type { OnResilienceEvent } from "./resilience-events.ts";
import { Retrying } from "./retrying.ts";

/** What all calls of a client share. */
export interface ClientCore {
  readonly channel: Channel;
  /** Whether the pick asks the breakers; otherwise each run does, for the whole of what is called. */
  readonly isBalanced: boolean;
  /** Stands for all that is called, where it is not balanced. */
  readonly target: Endpoint;
  readonly marginMs: number;
  readonly budget: RetryBudget;
  readonly bulkhead: Bulkhead;
  readonly clock: AttemptClock;
  readonly onEvent: OnResilienceEvent | undefined;
  readonly attempts: AttemptObserver | undefined;
}

/** What a run is begun with. */
export interface CallRunInit {
  readonly core: ClientCore;
  readonly call: ClientCall;
  /** Of the call that is being served. */
  readonly context: CallContext | undefined;
  /** Milliseconds since the epoch, `Infinity` for none. */
  readonly deadline: number;
  /** The one request, where there is one. */
  readonly request: Buffer | undefined;
  readonly guard: PolicyGuard | undefined;
  /** One of these is called, once, when the call has ended. */
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A call with all its attempts, until one of them counts. An attempt that might be repeated counts by its end where the
 * method has one answer, and from its headers on where it has many: what came of it before that is not told to anybody.
 * States: running (attempts are under way) ⇄ pausing → ended. A run that has ended leaves no timer, listener or attempt.
 */
export class CallRun implements RepeatedCall {
  readonly core: ClientCore;
  readonly call: ClientCall;
  readonly deadline: number;
  readonly request: Buffer | undefined;
  readonly guard: PolicyGuard | undefined;
  ended = false;
  readonly #context: CallContext | undefined;
  readonly #resolve: () => void;
  readonly #reject: (error: unknown) => void;
  #leave: Release | undefined;
  readonly #further: FurtherAttempts | undefined;
  #attempts: readonly Attempt[] = [];
  /** The one whose answers the caller gets, once that is settled. */
  #committed: Attempt | undefined;
  #lastFailed: { readonly attempt: Attempt; readonly end: StatusObject; readonly failure: CallFailure } | undefined;
  #isCancelled = false;

  constructor({ core, call, context, deadline, request, guard, resolve, reject }: CallRunInit) {
    this.core = core;
    this.call = call;
    this.deadline = deadline;
    this.request = request;
    this.guard = guard;
    this.#context = context;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#further = request === undefined ? undefined : furtherAttempts(this, call.policy);
  }

  get path(): string {
    return this.call.path;
  }

  get clock(): AttemptClock {
    return this.core.clock;
  }

  get budget(): RetryBudget {
    return this.core.budget;
  }

  get onEvent(): OnResilienceEvent | undefined {
    return this.core.onEvent;
  }

  get begun(): number {
    return this.#attempts.length;
  }

  get live(): number {
    return this.#attempts.filter(({ stream }) => !stream.ended).length;
  }

  /** Makes the first attempt, once; `leave` gives the call's place in the bulkhead back when it has ended. */
  start(leave: Release): void {
    this.#leave = leave;
    this.begin(false);
    if (this.ended) return;
    this.#further?.start();
    cancelOn(this.call.options.signal, this);
    cancelOn(this.#context?.signal, this);
  }

  begin(isPaid: boolean): void {
    if (this.ended) return;
    const { core, guard, request } = this;
    const permit = core.isBalanced ? undefined : guard?.admit(core.target);
    if (!core.isBalanced && guard !== undefined && permit === undefined) {
      this.#refuse(guard.refusal(guard.closedForMs(core.target)));
      return;
    }
    let attempt: Attempt;
    try {
      attempt = new Attempt(this, this.#metadata(), this.#attempts, permit, isPaid);
    } catch (error) {
      // The client has been closed.
      permit?.end("neutral");
      this.#end(error);
      return;
    }
    this.#attempts = [...this.#attempts, attempt];
    if (this.#further === undefined) this.#commit(attempt);
    if (request !== undefined) attempt.stream.writeLast(request);
  }

  /** Whoever waits for the call has gone, or has failed. */
  cancel(why: string): void {
    if (this.ended) return;
    this.#isCancelled = true;
    this.#further?.stop();
    if (this.live === 0) {
      const [attempt] = this.#attempts.slice(-1);
      const end = { code: status.CANCELLED, details: why, metadata: new Metadata() };
      this.ended = true;
      if (attempt !== undefined) this.#finish(attempt, end, undefined, undefined);
    } else for (const { stream } of this.#attempts) stream.cancel(why);
  }

  /** The headers of an attempt have come. */
  onHeaders(attempt: Attempt): void {
    if (this.ended) return;
    if (this.#committed === attempt) this.#tellHeaders(attempt);
    else if (this.#committed === undefined && !this.call.single) this.#commit(attempt);
  }

  /** An attempt has ended. */
  onEnd(attempt: Attempt, end: StatusObject, answer: Buffer | undefined): void {
    if (this.ended || (this.#committed !== undefined && this.#committed !== attempt)) return;
    if (end.code === status.OK) this.budget.recordSuccess();
    const further = this.#further;
    if (end.code === status.OK || this.#isCancelled || this.call.failure !== undefined) {
      this.#settle(attempt, end, answer);
      return;
    }
    if (attempt.isHeldBack)
      tell(this.onEvent, { type: "refused", path: this.path, by: attempt.turnedAway ? "connections" : "breaker" });
    const failure = failureOf(attempt, end);
    this.#lastFailed = { attempt, end, failure };
    if (this.#committed === undefined && further !== undefined && this.#goesOn(further, attempt, end, failure)) return;
    this.#settle(attempt, end, answer, failure);
  }

  giveUp(): void {
    if (this.#lastFailed === undefined || this.ended) return;
    const { attempt, end, failure } = this.#lastFailed;
    this.#settle(attempt, end, undefined, failure);
  }

  #goesOn(further: FurtherAttempts, attempt: Attempt, end: StatusObject, failure: CallFailure): boolean {
    // What this side holds back says nothing of other attempts that are under way.
    if (attempt.isHeldBack) return this.live > 0;
    if (failure.isLocal) return false;
    const { code, error } = failure;
    const { isPaid } = attempt;
    const { retryAfterMs } = error;
    return further.failed({ code, pushbackMs: pushbackOf(end.metadata), retryAfterMs, isPaid });
  }

  #metadata(): Metadata {
    const { requestMetadata } = this.call;
    if (this.begun === 0) return requestMetadata;
    const metadata = requestMetadata.clone();
    metadata.set("grpc-previous-rpc-attempts", String(this.begun));
    return metadata;
  }

  /** From now on the call is this attempt. */
  #commit(attempt: Attempt): void {
    this.#committed = attempt;
    this.#further?.stop();
    for (const other of this.#attempts) if (other !== attempt) other.stream.cancel("another attempt was faster");
    if (attempt.headers !== undefined) this.#tellHeaders(attempt);
    this.call.open(attempt.stream);
  }

  #tellHeaders({ headers }: Attempt): void {
    const { call } = this;
    call.responseHeaders = headers;
    if (call.options.onHeaders === undefined || headers === undefined) return;
    try {
      call.options.onHeaders(headers);
    } catch (error) {
      call.fail(error, this.ended);
    }
  }

  #settle(attempt: Attempt, end: StatusObject, answer: Buffer | undefined, failure?: CallFailure): void {
    this.ended = true;
    if (failure !== undefined && this.#isFinal(attempt, end, failure)) markFinal(failure.error);
    if (this.#committed !== attempt) this.#commit(attempt);
    this.#finish(attempt, end, answer, failure);
  }

  #finish(attempt: Attempt, end: StatusObject, answer: Buffer | undefined, failure: CallFailure | undefined): void {
    try {
      this.#take(attempt, end, answer, failure);
    } catch (error) {
      this.#end(error);
      return;
    }
    this.#settled();
    this.#resolve();
  }

  /** Makes of a call's end what its caller gets; throws what it fails with. */
  #take(attempt: Attempt, end: StatusObject, answer: Buffer | undefined, failure: CallFailure | undefined): void {
    const { call } = this;
    call.responseTrailers = end.metadata;
    call.options.onTrailers?.(end.metadata);
    if (call.failure !== undefined) throw call.failure;
    if (end.code !== status.OK) throw (failure ?? failureOf(attempt, end)).error;
    if (attempt.stream.truncated) throw responseTruncated();
    if (!call.single) return;
    if (answer === undefined) throw noAnswer(end);
    call.received = call.decode(answer);
  }

  /** Whether this client has done all there was to do, so that its own callers should not try again. */
  #isFinal(attempt: Attempt, end: StatusObject, { code, isLocal }: CallFailure): boolean {
    if (attempt.isHeldBack) return true;
    const pushbackMs = pushbackOf(end.metadata);
    if (pushbackMs !== undefined && !(pushbackMs >= 0)) return true;
    const { retry, hedging } = this.call.policy;
    const wasRepeatable = this.#further !== undefined && this.#committed === undefined;
    return wasRepeatable && !isLocal && (retry?.codes ?? hedging?.nonFatalCodes ?? []).includes(code);
  }

  /** The breaker lets no further attempt through; others may be under way. */
  #refuse(error: Error): void {
    if (this.live > 0) return;
    tell(this.onEvent, { type: "refused", path: this.path, by: "breaker" });
    markFinal(error);
    this.#end(error);
  }

  #end(error: unknown): void {
    this.#settled();
    this.#reject(error);
  }

  #settled(): void {
    this.ended = true;
    this.#further?.stop();
    release(this.call.options.signal, this);
    release(this.#context?.signal, this);
    this.#leave?.();
  }
}

function furtherAttempts(run: CallRun, { retry, hedging }: MethodPolicy): FurtherAttempts | undefined {
  if (retry !== undefined) return new Retrying(run, retry);
  return hedging && new Hedging(run, hedging);
}
