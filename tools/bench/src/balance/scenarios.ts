/** What happens to the instances in a simulation. Times count from when the measurement begins. */
export interface Scenario {
  readonly name: ScenarioName;
  /** In a line, for people. */
  readonly what: string;
  /** Whether the troubled ones are only there from when the measurement begins. */
  readonly joinsLate: boolean;
  /** How many times as long as usual a troubled instance takes, at a time. */
  readonly slownessAt: (sinceMs: number) => number;
  /** Whether a troubled instance fails every call at once, at a time. */
  readonly failsAt: (sinceMs: number) => boolean;
}

export type ScenarioName = "healthy" | "slow" | "fail-fast" | "cold";

/** How long a cold instance takes until it is warm. */
const warmUpMs = 5_000;

/** One instance of ten is troubled, from when the measurement begins on: how quickly that is noticed counts. */
export const scenarios: readonly Scenario[] = [
  { name: "healthy", what: "all are well", joinsLate: false, slownessAt: () => 1, failsAt: () => false },
  {
    name: "slow",
    what: "one of ten takes 10 times as long",
    joinsLate: false,
    slownessAt: (sinceMs) => (sinceMs < 0 ? 1 : 10),
    failsAt: () => false,
  },
  {
    name: "fail-fast",
    what: "one of ten fails every call at once",
    joinsLate: false,
    slownessAt: () => 1,
    failsAt: (sinceMs) => sinceMs >= 0,
  },
  {
    name: "cold",
    what: "one of ten joins late, 10 times as slow, and warms up in 5 seconds",
    joinsLate: true,
    slownessAt: (sinceMs) => Math.max(1, 10 - (9 * sinceMs) / warmUpMs),
    failsAt: () => false,
  },
];
