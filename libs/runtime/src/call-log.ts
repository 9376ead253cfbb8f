import { isAppError } from "@shoal/kernel";
import type { CallEnd } from "@shoal/rpc";
import type { Logger } from "@shoal/telemetry";
import { Bursts } from "./bursts.ts";

/** Calls that say nothing of the service's work: health checks and reflection. */
const upkeep = /^\/grpc\./;

/** Codes that many calls fail with at the same time when something is away, or there is too much to do. */
const outages = new Set(["UNAVAILABLE", "RESOURCE_EXHAUSTED"]);

/**
 * The access log: a line for each call that has ended, with what it took, who called, and how much of its time was left. Calls
 * that failed unexpectedly, or for want of something, are errors and warnings that say why: the first of a kind at once, then
 * one a second with how many there were since. With `access` off only these are written.
 */
export function createCallLog(
  log: Logger,
  access: boolean,
  now: () => number = () => performance.now(),
): (end: CallEnd) => void {
  const bursts = new Bursts(now);
  return ({ path, code, durationMs, context, error }) => {
    const { traceparent, deadline } = context;
    const line = {
      method: path,
      code,
      ...(isAppError(error) && { reason: error.reason }),
      durationMs: Math.round(durationMs * 1_000) / 1_000,
      peer: context.peer.address,
      ...(Number.isFinite(deadline) && { deadlineLeftMs: deadline - Date.now() }),
      requestId: context.requestId,
      ...(traceparent !== undefined && {
        trace_id: traceparent.slice(3, 35),
        span_id: traceparent.slice(36, 52),
        trace_flags: traceparent.slice(53, 55),
      }),
    };
    const isFault = code === "INTERNAL";
    if (isFault || outages.has(code)) {
      const unlogged = bursts.see(`${path} ${code} ${nameOf(error)}`);
      if (unlogged !== undefined) {
        const full = { ...line, err: error, ...(unlogged > 0 && { unlogged }) };
        if (isFault) log.error(full, "a call failed unexpectedly");
        else log.warn(full, "a call failed for want of something");
        return;
      }
    }
    if (upkeep.test(path)) log.debug(line, "call");
    else if (access) log.info(line, "call");
  };
}

/** What failures of the same kind have in common. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  return "reason" in error && typeof error.reason === "string" ? error.reason : error.name;
}
