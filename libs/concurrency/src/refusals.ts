import { AppError } from "@shoal/kernel";

const domain = "shoal.concurrency";

/** There is no more room to wait: refused at once, nothing was started. `exhausted`, `QUEUE_FULL`. */
export class QueueFullError extends AppError {
  constructor(message: string) {
    super({ kind: "exhausted", reason: "QUEUE_FULL", domain, message });
  }
}

/** The caller has waited for as long as it may. What it waited for may have been started. `timeout`, `WAIT_TIMEOUT`. */
export class WaitTimeoutError extends AppError {
  constructor(timeoutMs: number) {
    super({ kind: "timeout", reason: "WAIT_TIMEOUT", domain, message: `not answered within ${timeoutMs} ms` });
  }
}

/** What was asked has been closed: refused at once, or ended because of that. `unavailable`, `CLOSED`. */
export class ClosedError extends AppError {
  constructor(message: string) {
    super({ kind: "unavailable", reason: "CLOSED", domain, message });
  }
}

/** What was queued had to make room for what came later; it was not started. `exhausted`, `DISCARDED`. */
export class DiscardedError extends AppError {
  constructor(message: string) {
    super({ kind: "exhausted", reason: "DISCARDED", domain, message });
  }
}
