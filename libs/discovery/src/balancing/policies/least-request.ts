import type { Policy } from "./policy.ts";
import { TwoChoices } from "./two-choices.ts";

/**
 * Of two endpoints the one with fewer calls in flight for its weight, this call counted: so that weights matter while
 * nothing is in flight. Slow start lowers weights. As gRPC's least_request (proposal A48) draws two.
 */
export function leastRequest(random: () => number): Policy {
  return new TwoChoices((member, now) => (member.endpoint.inFlight + 1) / member.weightAt(now), random);
}
