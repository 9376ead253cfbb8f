import { type Metadata, type StatusObject, status } from "@grpc/grpc-js";
import { type BalancedCall, type CallGuard, type Endpoint, setCallTraits } from "@shoal/discovery";
import type { BreakerPermit } from "@shoal/resilience";
import type { CallRun } from "./call-run.ts";
import { ClientStream, type ClientStreamInit } from "./client-stream.ts";

/** One attempt of a call: what its stream is begun with, and what the pick knows of it. Its run decides what comes of it. */
export class Attempt implements ClientStreamInit, BalancedCall {
  readonly run: CallRun;
  readonly metadata: Metadata;
  readonly stream: ClientStream;
  readonly avoid: readonly Endpoint[] | undefined;
  /** Whether the budget has been asked for it: its failure is paid for. */
  readonly isPaid: boolean;
  endpoint: Endpoint | undefined = undefined;
  refusedForMs: number | undefined = undefined;
  turnedAway = false;
  headers: Metadata | undefined = undefined;
  permit: BreakerPermit | undefined;
  readonly #begunAt = performance.now();

  /** `permit`: leave that the run has got itself, where the pick does not ask for it. Throws where the channel is closed. */
  constructor(
    run: CallRun,
    metadata: Metadata,
    before: readonly Attempt[],
    permit: BreakerPermit | undefined,
    paid: boolean,
  ) {
    this.run = run;
    this.metadata = metadata;
    this.isPaid = paid;
    this.avoid = before.length === 0 ? undefined : before.flatMap(({ endpoint }) => endpoint ?? []);
    this.permit = permit;
    if (run.core.isBalanced) setCallTraits(metadata, this);
    this.stream = new ClientStream(run.core.channel, this);
    run.core.attempts?.started(this.path);
  }

  /** Whether this side has not let it go: it says nothing of the callee. */
  get isHeldBack(): boolean {
    return this.turnedAway || this.refusedForMs !== undefined;
  }

  get path(): string {
    return this.run.call.path;
  }

  get deadline(): number {
    return this.run.deadline;
  }

  get requestStream(): boolean {
    return this.run.request === undefined;
  }

  get compress(): boolean {
    return this.run.call.options.compress ?? true;
  }

  get single(): boolean {
    return this.run.call.single;
  }

  get streaming(): boolean {
    return this.run.call.method.methodKind !== "unary";
  }

  get hashKey(): string | undefined {
    return this.run.call.hashKey;
  }

  get guard(): CallGuard | undefined {
    return this.run.guard;
  }

  onHeaders(headers: Metadata): void {
    this.headers = headers;
    // A stream may last for days, and its breaker must not wait for so long to hear that the instance is well.
    if (!this.single) this.permit?.end("success");
    this.run.onHeaders(this);
  }

  onEnd(end: StatusObject, answer: Buffer | undefined): void {
    const durationMs = performance.now() - this.#begunAt;
    if (this.permit !== undefined && !this.run.core.isBalanced) this.guard?.ended(this.permit, end.code, durationMs);
    const { sentBytes, receivedBytes } = this.stream;
    const code = status[end.code] ?? "UNKNOWN";
    this.run.core.attempts?.ended({ path: this.path, code, durationMs, sentBytes, receivedBytes });
    this.run.onEnd(this, end, answer);
  }
}
