import { AppError, isAppError } from "@shoal/kernel";
import { AttemptTimeoutError } from "@shoal/pool";

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

/** Whether MySQL refused to add a column or an index because it is there. */
export function isAddedAlready(error: unknown): boolean {
  const { mysql } = codeOf(error);
  return mysql === 1060 || mysql === 1061;
}

/** Whether another process holds the SQLite file at this moment. */
export function isSqliteBusy(error: unknown): boolean {
  const { sqlite } = codeOf(error);
  // Its variants have more bits.
  return sqlite !== undefined && (sqlite & 0xff) === 5;
}

/**
 * Whether a transaction, of whose statements errors are translated, was rolled back by MySQL so that another one of a circle
 * could go on: running it again is safe, and meets no circle any more.
 */
export function isDeadlock(error: unknown): boolean {
  return isAppError(error, "DATABASE_CONTENDED") && codeOf(error.cause).mysql === 1213;
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

/** Whether a connection that failed so is of no more use. */
export function isLostConnection(error: unknown): boolean {
  const { mysql, system } = codeOf(error);
  // MySQL: server shutdown, connection killed, ended for being idle.
  if (mysql === 1053 || mysql === 1927 || mysql === 4031) return true;
  // mysql2 gives no code to a command on a connection that it knows to be closed; such an error is just fatal.
  const closed = mysql === undefined && error instanceof Error && "fatal" in error && error.fatal === true;
  return closed || lostConnection.has(system ?? "");
}

/** Others hold what is wanted, for too long or again and again. */
function databaseContended(cause: unknown): AppError {
  return new AppError({
    kind: "unavailable",
    reason: "DATABASE_CONTENDED",
    domain,
    message: "others change the same things at this moment; try again later",
    retryAfterMs: 100,
    cause,
  });
}

/** Whether MySQL takes no changes, as a replica does, and a server that is being moved. */
export function isReadOnly(error: unknown): boolean {
  const { mysql } = codeOf(error);
  // 1290 is of other options as well.
  return mysql === 1836 || (mysql === 1290 && error instanceof Error && /read[-_ ]only/.test(error.message));
}

/** Whether somebody has had MySQL stop a statement: KILL QUERY, or the limit of a statement's time on MariaDB or on MySQL. */
function isInterrupted(error: unknown): boolean {
  const { mysql } = codeOf(error);
  return mysql === 1317 || mysql === 1969 || mysql === 3024;
}

/** Refuses a caller because too many want the database. */
export function databaseBusy(cause?: unknown): AppError {
  return new AppError({
    kind: "exhausted",
    reason: "DATABASE_BUSY",
    domain,
    message: "too many calls wait for the database; try again later",
    retryAfterMs: 500,
    cause,
  });
}

/**
 * What a caller should learn of an error of the driver or the pool: connections that are all in use for too long, or wanted
 * by too many, are `exhausted`; a database that cannot be reached, takes no changes, is told to stop, or has what is
 * wanted locked, is `unavailable`; anything else is answered as it is.
 */
export function translateError(error: unknown): unknown {
  if (isAppError(error, "POOL_QUEUE_FULL") || isAppError(error, "POOL_ACQUIRE_TIMEOUT")) return databaseBusy(error);
  const { mysql } = codeOf(error);
  // MySQL: lock wait timeout, deadlock.
  if (mysql === 1205 || mysql === 1213) return databaseContended(error);
  if (isSqliteBusy(error))
    return new AppError({
      kind: "unavailable",
      reason: "DATABASE_LOCKED",
      domain,
      message: "another process holds the database; try again later",
      retryAfterMs: 1_000,
      cause: error,
    });
  if (isInterrupted(error))
    return new AppError({
      kind: "unavailable",
      reason: "DATABASE_INTERRUPTED",
      domain,
      message: "the database was told to stop the work; try again later",
      retryAfterMs: 1_000,
      cause: error,
    });
  if (isReadOnly(error))
    return new AppError({
      kind: "unavailable",
      reason: "DATABASE_READ_ONLY",
      domain,
      message: "the database takes no changes now; try again later",
      retryAfterMs: 1_000,
      cause: error,
    });
  // MySQL: too many connections, of all or of this user.
  const refused = mysql === 1040 || mysql === 1203 || mysql === 1226;
  const unopened = error instanceof AttemptTimeoutError || isAppError(error, "POOL_CLOSED");
  if (!refused && !unopened && !isLostConnection(error)) return error;
  return new AppError({
    kind: "unavailable",
    reason: "DATABASE_UNAVAILABLE",
    domain,
    message: "the database cannot be reached; try again later",
    retryAfterMs: 1_000,
    cause: error,
  });
}
