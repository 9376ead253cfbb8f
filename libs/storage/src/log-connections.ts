import type { PoolEvent } from "@shoal/pool";

/** Where {@link logConnections} writes. */
export interface ConnectionLog {
  warn(fields: object, message: string): void;
}

/** Logs what operators should know of a database's connections: those that cannot be opened, and who keeps one too long. */
export function logConnections(log: ConnectionLog): (event: PoolEvent) => void {
  return (event) => {
    if (event.type === "open-failed")
      log.warn({ err: event.error, retryInMs: Math.round(event.retryInMs) }, "the database could not be reached");
    else if (event.type === "leaked")
      log.warn(
        { requestId: event.borrower, heldMs: Math.round(event.heldMs) },
        "a call keeps a database connection for very long",
      );
  };
}
