import { QueueFullError } from "@shoal/concurrency";
import { AppError } from "@shoal/kernel";

const domain = "shoal.storage";

/** MySQL's error numbers and SQLite's extended result codes, where the driver's error carries one. */
function codeOf(error: unknown): { readonly mysql?: number; readonly sqlite?: number; readonly system?: string } {
  if (!(error instanceof Error)) return {};
  const { errno, errcode, code } = error as { errno?: unknown; errcode?: unknown; code?: unknown };
  return {
    // mysql2 gives a positive number for a server's error and a negative one for a system's.
    ...(typeof errno === "number" && errno > 0 && { mysql: errno }),
    ...(typeof errcode === "number" && { sqlite: errcode }),
    ...(typeof code === "string" && { system: code }),
  };
}

/** Whether a statement failed because a row with that primary or unique key exists. */
export function isUniqueViolation(error: unknown): boolean {
  const { mysql, sqlite } = codeOf(error);
  return mysql === 1062 || sqlite === 1555 || sqlite === 2067;
}

/** Whether MySQL refused to make an index because it is there. */
export function isExistingIndex(error: unknown): boolean {
  return codeOf(error).mysql === 1061;
}

/** Whether a transaction failed only because of others at the same time, so that running it again may succeed. */
export function isTransient(error: unknown): boolean {
  const { mysql, sqlite } = codeOf(error);
  // MySQL: lock wait timeout, deadlock. SQLite: busy, and its variants, in the low byte; once the driver has waited long
  // enough for the other process it is translated, and not transient any more.
  return mysql === 1205 || mysql === 1213 || (sqlite !== undefined && (sqlite & 0xff) === 5);
}

const lostConnection = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "PROTOCOL_CONNECTION_LOST",
]);

/**
 * What a caller should learn of a driver's error: a full queue is `exhausted`, a database that cannot be reached
 * is `unavailable`; anything else is answered as it is.
 */
export function translateError(error: unknown): unknown {
  if (error instanceof QueueFullError)
    return new AppError({
      kind: "exhausted",
      reason: "DATABASE_BUSY",
      domain,
      message: "too many calls wait for the database; try again later",
      retryAfterMs: 500,
      cause: error,
    });
  const { mysql, sqlite, system } = codeOf(error);
  if (sqlite !== undefined && (sqlite & 0xff) === 5)
    return new AppError({
      kind: "unavailable",
      reason: "DATABASE_LOCKED",
      domain,
      message: "another process holds the database; try again later",
      retryAfterMs: 1_000,
      cause: error,
    });
  // MySQL: too many connections, server shutdown, connection killed.
  const refused = mysql === 1040 || mysql === 1053 || mysql === 1927;
  // mysql2 gives no code to a command on a connection that it knows to be closed; such an error is just fatal.
  const closed = mysql === undefined && error instanceof Error && "fatal" in error && error.fatal === true;
  if (!refused && !closed && !lostConnection.has(system ?? "")) return error;
  return new AppError({
    kind: "unavailable",
    reason: "DATABASE_UNAVAILABLE",
    domain,
    message: "the database cannot be reached; try again later",
    retryAfterMs: 1_000,
    cause: error,
  });
}
