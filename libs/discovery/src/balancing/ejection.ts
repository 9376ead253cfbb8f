import type { Endpoint, Outcome } from "./endpoint.ts";
import type { Member } from "./member.ts";
import type { EjectionOptions } from "./options.ts";
import { OutcomeWindow } from "./outcome-window.ts";
import type { PendingCall } from "./pending-call.ts";
import { type Exile, Standing } from "./standing.ts";

/** An endpoint has been ejected, again if its probes have failed, or is back. */
export interface EjectionEvent {
  readonly type: "ejected" | "restored";
  readonly endpoint: Endpoint;
}

/** By how much the share of failures has to be above that of the others, at least. */
const clearlyAbove = 0.2;
/** And by how many standard deviations of the difference that chance makes. */
const deviations = 5;
/** A streak is an outlier's when chance makes one as long less often than this, where calls fail as the others' do. */
const chance = 1e-8;
/** How much longer than asked for an ejection lasts at random, lest all clients come back at once. */
const jitter = 0.2;

/**
 * Takes endpoints out whose calls fail while those of the others do not, whatever the policy. At most half of those that
 * are ready are out at a time (of two one, of one none), and trouble that all have ejects none.
 *
 * An endpoint is *in*, and goes *out* when its share of failures in the window is an outlier's, or its streak of
 * failures. After `baseMs`, twice as long each further time, it is *probed*: one call at a time is sent to it. So many
 * successes in a row bring it back in, with slow start; a failure, or a probe that takes too long, sends it out again for
 * longer. A stream that has lasted so long has succeeded. Neutral outcomes, and of ejected endpoints those of calls that
 * are not the probe, change nothing.
 *
 * After Envoy's outlier detection and gRPC's (proposal A50), which compare an endpoint with fixed shares or with the mean
 * of many, and put endpoints back without a probe.
 */
export class Ejection {
  readonly #options: EjectionOptions;
  readonly #random: () => number;
  readonly #onEvent: (event: EjectionEvent) => void;
  readonly #standings = new WeakMap<Member, Standing>();
  /** The calls of all endpoints that were in: lately, and ever. */
  readonly #window: OutcomeWindow;
  #calls = 0;
  #failures = 0;
  #ready = 0;
  /** Those that are ready and out. */
  #out: Member[] = [];
  /** Before this time none of them changes or may be probed. */
  #dueAt = Number.POSITIVE_INFINITY;

  /** `onEvent` is told at once, and must not throw. */
  constructor(options: EjectionOptions, random: () => number, onEvent: (event: EjectionEvent) => void) {
    this.#options = options;
    this.#random = random;
    this.#onEvent = onEvent;
    this.#window = new OutcomeWindow(options.windowMs);
  }

  /** Whether an endpoint is not to be called but by probes. */
  isOut(member: Member): boolean {
    return this.#standingOf(member).exile !== undefined;
  }

  /** The endpoints that are ready. When more than half of them are out, those come in that would have soonest. */
  update(ready: readonly Member[], now: number): void {
    this.#ready = ready.length;
    this.#out = ready.filter((member) => this.isOut(member));
    const soonest = this.#out.toSorted((a, b) => (this.#exileOf(a)?.probeAt ?? 0) - (this.#exileOf(b)?.probeAt ?? 0));
    for (const member of soonest) if (this.#out.length > this.#mostOut()) this.#restore(member, now);
    this.#schedule();
  }

  /** An ejected endpoint that wants a probe now; the call that it gets is told to {@link probing}. */
  due(now: number): Member | undefined {
    if (now < this.#dueAt) return undefined;
    for (const member of [...this.#out]) this.#endLateProbe(member, now);
    const due = this.#out.find((member) => {
      const exile = this.#exileOf(member);
      return exile !== undefined && exile.probe === undefined && now >= exile.probeAt && member.endpoint.hasRoom();
    });
    if (due === undefined) this.#schedule();
    return due;
  }

  /** `call` is the probe of the endpoint that {@link due} has answered. */
  probing(member: Member, call: PendingCall): void {
    const exile = this.#exileOf(member);
    if (exile === undefined) return;
    exile.probe = call;
    exile.probedAt = call.since;
    this.#schedule();
  }

  /** A call is over; undefined: it was never sent. */
  ended(call: PendingCall, outcome: Outcome | undefined, now: number): void {
    const { member } = call;
    const standing = this.#standingOf(member);
    if (standing.exile !== undefined) {
      if (standing.exile.probe === call) this.#probed(member, standing.exile, outcome, now);
    } else if (outcome === "success" || outcome === "failure")
      this.#count(member, standing, outcome === "failure", now);
  }

  #count(member: Member, standing: Standing, failed: boolean, now: number): void {
    if (!failed) standing.streak = 0;
    else if (standing.streak === 0) {
      standing.callsBefore = this.#calls;
      standing.failuresBefore = this.#failures;
    }
    this.#window.add(failed, now);
    standing.window.add(failed, now);
    this.#calls += 1;
    if (!failed) return;
    this.#failures += 1;
    standing.streak += 1;
    if (this.#out.length >= this.#mostOut()) return;
    if (this.#hasOutlyingStreak(standing) || this.#hasOutlyingShare(standing, now)) this.#eject(member, standing, now);
  }

  /** Whether it has failed so often in a row that this is no chance, by how the others fared meanwhile. */
  #hasOutlyingStreak({ streak, callsBefore, failuresBefore }: Standing): boolean {
    const { consecutiveFailures } = this.#options;
    if (streak < consecutiveFailures) return false;
    const calls = this.#calls - callsBefore - streak;
    const failures = this.#failures - failuresBefore - streak;
    if (calls < consecutiveFailures) return false;
    // The rule of succession: few calls without a failure do not prove that none fails.
    return ((failures + 1) / (calls + 2)) ** streak <= chance;
  }

  /** Whether its share of failures in the window is high, and more so than chance explains, by that of the others. */
  #hasOutlyingShare({ window }: Standing, now: number): boolean {
    const { minCalls, failureShare } = this.#options;
    const calls = window.calls(now);
    const failures = window.failures(now);
    const otherCalls = this.#window.calls(now) - calls;
    if (calls < minCalls || otherCalls < minCalls || failures < failureShare * calls) return false;
    const others = (this.#window.failures(now) - failures) / otherCalls;
    const deviation = Math.sqrt(others * (1 - others) * (1 / calls + 1 / otherCalls));
    return failures / calls - others >= Math.max(clearlyAbove, deviations * deviation);
  }

  #eject(member: Member, standing: Standing, now: number): void {
    const { baseMs, maxMs } = this.#options;
    if (standing.exile === undefined && now - standing.restoredAt >= maxMs) standing.ejections = 0;
    const lasts = Math.min(maxMs, baseMs * 2 ** standing.ejections) * (1 + jitter * this.#random());
    const isNew = standing.exile === undefined;
    standing.ejections += 1;
    standing.exile = { probeAt: now + lasts, successes: 0, probe: undefined, probedAt: 0 };
    if (isNew) this.#out.push(member);
    member.endpoint.isEjected = true;
    this.#schedule();
    this.#onEvent({ type: "ejected", endpoint: member.endpoint });
  }

  #restore(member: Member, now: number): void {
    const standing = this.#standingOf(member);
    standing.exile = undefined;
    member.endpoint.isEjected = false;
    standing.restoredAt = now;
    standing.streak = 0;
    standing.window.clear();
    member.warmingSince = now;
    this.#out = this.#out.filter((other) => other !== member);
    this.#schedule();
    this.#onEvent({ type: "restored", endpoint: member.endpoint });
  }

  #probed(member: Member, exile: Exile, outcome: Outcome | undefined, now: number): void {
    exile.probe = undefined;
    if (outcome === "failure") this.#eject(member, this.#standingOf(member), now);
    else if (outcome === "success") {
      exile.successes += 1;
      if (exile.successes >= this.#options.probeSuccesses) this.#restore(member, now);
    }
    this.#schedule();
  }

  #endLateProbe(member: Member, now: number): void {
    const exile = this.#exileOf(member);
    if (exile?.probe === undefined || now - exile.probedAt < this.#options.probeTimeoutMs) return;
    this.#probed(member, exile, exile.probe.streaming ? "success" : "failure", now);
  }

  #schedule(): void {
    this.#dueAt = Number.POSITIVE_INFINITY;
    for (const member of this.#out) {
      const exile = this.#exileOf(member);
      if (exile === undefined) continue;
      const at = exile.probe === undefined ? exile.probeAt : exile.probedAt + this.#options.probeTimeoutMs;
      this.#dueAt = Math.min(this.#dueAt, at);
    }
  }

  #mostOut(): number {
    return Math.floor(this.#ready / 2);
  }

  #exileOf(member: Member): Exile | undefined {
    return this.#standingOf(member).exile;
  }

  #standingOf(member: Member): Standing {
    let standing = this.#standings.get(member);
    if (standing === undefined) {
      standing = new Standing(this.#options.windowMs);
      this.#standings.set(member, standing);
    }
    return standing;
  }
}
