import { LinkedList } from "@shoal/kernel";
import type { Endpoint } from "./endpoint.ts";
import { FailureShare } from "./failure-share.ts";
import { PeakEwma } from "./peak-ewma.ts";
import type { PendingCall } from "./pending-call.ts";

/** The least part of its weight that an endpoint has while it warms up: without any calls it never would. */
const coldest = 0.1;

/** An endpoint, and what its balancer has learnt of it. */
export class Member {
  readonly endpoint: Endpoint;
  /** Its calls, but for streaming ones, the one that began first at the front. */
  readonly calls = new LinkedList<PendingCall>();
  readonly latency: PeakEwma;
  readonly failures: FailureShare;
  /** Since when it takes calls, as far as warming up goes. */
  warmingSince: number;
  readonly #slowStartMs: number;

  constructor(endpoint: Endpoint, warmingSince: number, memory: { slowStartMs: number; decayMs: number }) {
    this.endpoint = endpoint;
    this.warmingSince = warmingSince;
    this.#slowStartMs = memory.slowStartMs;
    this.latency = new PeakEwma(memory.decayMs);
    this.failures = new FailureShare(memory.decayMs);
  }

  /** Whether it is still given less than its weight. */
  isWarming(now: number): boolean {
    return now - this.warmingSince < this.#slowStartMs;
  }

  /** Its weight; a part of it while it warms up: a tenth at first, then what part of the slow start has passed. */
  weightAt(now: number): number {
    const { weight } = this.endpoint;
    if (!this.isWarming(now)) return weight;
    return weight * Math.max(coldest, (now - this.warmingSince) / this.#slowStartMs);
  }
}
