import type { DiagLogger } from "@opentelemetry/api";

/** Where {@link createProblemLog} writes. */
export interface ProblemLog {
  warn(fields: object, message: string): void;
}

/** At most one line in this time, in milliseconds: an exporter whose collector is away fails every few seconds. */
const intervalMs = 60_000;

/** Logs what OpenTelemetry's SDK finds wrong: the first at once, then one line a minute, with how many were left out. */
export function createProblemLog(log: ProblemLog, now: () => number = () => performance.now()): DiagLogger {
  let loggedAt = Number.NEGATIVE_INFINITY;
  let unlogged = 0;
  const tell = (problem: string, ...details: unknown[]) => {
    if (now() - loggedAt < intervalMs) {
      unlogged += 1;
      return;
    }
    const why = [problem, ...details].map((each) => (each instanceof Error ? each.message : String(each))).join(" ");
    const fields = { problem: why, unlogged };
    // Before, for the line is sent too, and that may be a problem as well.
    loggedAt = now();
    unlogged = 0;
    log.warn(fields, "telemetry is not sent as it should be");
  };
  const nothing = () => {};
  return { error: tell, warn: tell, info: nothing, debug: nothing, verbose: nothing };
}
