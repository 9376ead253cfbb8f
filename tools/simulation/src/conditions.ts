import type { Draw } from "./draw.ts";
import type { Isolation } from "./memory/database.ts";

/** What a run is like: all of it is drawn from the seed. Probabilities from 0 to 1, times in milliseconds. */
export interface Conditions {
  readonly isolation: Isolation;
  /** Whether the services do together what comes at the same time. */
  readonly batching: boolean;
  readonly orderNodes: number;
  readonly inventoryNodes: number;
  readonly shoppers: number;
  /** Within what time they come. */
  readonly rushMs: number;
  /** How long stock is held: no less than the contract of the inventory takes. */
  readonly holdMs: number;
  /** How long a caller waits for an answer. */
  readonly timeoutMs: number;
  /** How long messages and statements take on average. */
  readonly messageMs: number;
  readonly statementMs: number;
  /** How far a node's clock is from the time, at most, either way. */
  readonly skewMs: number;
  readonly jobIntervalMs: number;
  /** Until when there are faults. */
  readonly faultsUntilMs: number;
  /** Of a message: that it is lost, comes twice, or comes so late that its sender has long given up. */
  readonly losing: number;
  readonly doubling: number;
  readonly stalling: number;
  /** Of a statement within a transaction: that it meets a deadlock. Of any statement: that its connection is lost. */
  readonly deadlocking: number;
  readonly disconnecting: number;
  /** How often a node crashes, and its clock jumps, on average; `Infinity`: never. */
  readonly crashEveryMs: number;
  readonly jumpEveryMs: number;
}

/** Draws the conditions of a run. Each kind of fault is missing in some, so that what it hides is seen too. */
export function drawConditions(draw: Draw): Conditions {
  const fault = (least: number, most: number) => (draw.chance(0.35) ? 0 : draw.between(least, most));
  const every = (least: number, most: number) =>
    draw.chance(0.35) ? Number.POSITIVE_INFINITY : draw.between(least, most);
  const rushMs = draw.oneOf([20, 200, 2_000]);
  return {
    isolation: draw.chance(0.7) ? "read committed" : "repeatable read",
    batching: draw.chance(0.7),
    orderNodes: draw.whole(1, 3),
    inventoryNodes: draw.whole(1, 2),
    shoppers: draw.whole(6, 14),
    rushMs,
    holdMs: draw.oneOf([1_000, 2_500, 9_000]),
    timeoutMs: draw.oneOf([100, 600, 4_000]),
    messageMs: draw.between(0.5, 20),
    statementMs: draw.oneOf([0.2, 1, 6]) * draw.between(0.5, 1.5),
    skewMs: draw.oneOf([0, 100, 5_000, 20_000]),
    jobIntervalMs: draw.between(200, 2_000),
    faultsUntilMs: rushMs + draw.between(500, 6_000),
    losing: fault(0.01, 0.15),
    doubling: fault(0.01, 0.2),
    stalling: fault(0.01, 0.1),
    deadlocking: fault(0.005, 0.05),
    disconnecting: fault(0.005, 0.04),
    crashEveryMs: every(200, 4_000),
    jumpEveryMs: every(500, 4_000),
  };
}
