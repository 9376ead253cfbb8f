import type { Member } from "../member.ts";
import type { Policy } from "./policy.ts";
import { TwoChoices } from "./two-choices.ts";

/** The least share of successes that is told apart: below it, an endpoint is no worse. */
const leastSuccess = 0.05;
/** The least latency that is told apart, in milliseconds: of a set that has answered nothing, calls in flight count. */
const leastLatency = 0.01;
/** From how many times the typical latency on an endpoint is slow; below that it may as well be chance. */
const slowFrom = 2;
/** How many times the usual cost is worth looking further for. */
const tooDear = 3;

/**
 * Of two endpoints the one on which a call is likely over sooner: expected latency times the calls in flight, this one
 * counted, by weight. Slow start lowers weights.
 *
 *  - Latency is the peak EWMA of what calls took, and no less than the age of the oldest that is still going on: an
 *    endpoint that has stopped answering is known to be slow before any of its calls ends.
 *  - Of what nothing is known, what is `typical` of the others is expected.
 *  - Beyond twice what is typical, cost grows with the fifth power of the latency. Else a few calls would go to a slow
 *    endpoint because others are busy; these would be the slowest of all, and sooner done where many are in flight.
 *  - What a call costs is divided by the square of the share of calls that succeed: who fails fast is not fast.
 *  - Where both endpoints are much dearer than usual, two more are drawn.
 *
 * After Finagle's "power of two choices with peak EWMA" (Twitter), with these additions.
 */
export function p2cEwma(typical: () => number, random: () => number): Policy {
  const cost = (member: Member, now: number): number => {
    const { first: oldest } = member.calls;
    const usual = Math.max(leastLatency, typical());
    const age = oldest === undefined ? 0 : now - oldest.since;
    const latency = Math.max(leastLatency, member.latency.read(now, usual), age);
    const slowness = Math.max(1, latency / (slowFrom * usual));
    const success = Math.max(leastSuccess, 1 - member.failures.read(now));
    const calls = (member.endpoint.inFlight + 1) / member.weightAt(now);
    return latency * calls * (slowness ** 4 / (success * success));
  };
  return new TwoChoices(cost, random, tooDear);
}
