/**
 * What went wrong, in terms a caller can act on. One kind is one gRPC code (the table is in `@shoal/rpc`).
 *
 * The last four are outcomes of a call rather than of a rule: domain code does not throw them, clients may see them.
 */
export type ErrorKind =
  | "invalid" // the request can never succeed as it is
  | "missing" // something that the request names does not exist
  | "duplicate" // something that it would create exists already
  | "precondition" // the state of the system forbids it; a retry alone does not help
  | "stale" // somebody else was faster: read again, then retry
  | "exhausted" // a limit was reached: retry later
  | "unavailable" // a part that is needed is away: retry later
  | "unauthenticated" // who is calling?
  | "forbidden" // the caller is known, and may not
  | "cancelled" // the caller gave up
  | "timeout" // the deadline passed
  | "unimplemented" // there is no such method
  | "internal"; // a fault of ours

/** One field that is wrong: its path in the request, such as `lines[2].quantity`, and what is expected of it. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

/** Everything that an {@link AppError} says. What a kind has no use for is left out. */
export interface AppErrorInit {
  readonly kind: ErrorKind;
  /** UPPER_SNAKE, unique in its domain. Programs decide by it, so it is API: it never changes. */
  readonly reason: string;
  /** The service that owns the reason, such as `shoal.order`. */
  readonly domain: string;
  /** For people: what is wrong and what to do. Sent to the caller as it is, so it holds no secret. */
  readonly message: string;
  /** Figures behind the reason, for programs, such as `{ sku, available }`. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** For `invalid`: which fields. */
  readonly violations?: readonly FieldViolation[];
  /** For `missing` and `duplicate`: which thing, such as `{ type: "shoal.order.Order", name: id }`. */
  readonly resource?: { readonly type: string; readonly name: string };
  /** For `precondition`: what does not hold, of which subject. */
  readonly preconditions?: readonly { readonly subject: string; readonly description: string }[];
  /** For `exhausted` and `unavailable`: how long to wait before a retry, in milliseconds. */
  readonly retryAfterMs?: number;
  /** What led to this. Logged, never sent. */
  readonly cause?: unknown;
}

/**
 * The one error that crosses a service's border. Domain code throws it through a named constructor
 * (`orderNotFound(id)`); anything else that escapes a handler reaches the caller as an opaque internal error.
 */
export class AppError extends Error {
  override readonly name = "AppError";
  readonly kind: ErrorKind;
  readonly reason: string;
  readonly domain: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly violations: readonly FieldViolation[];
  readonly resource: AppErrorInit["resource"];
  readonly preconditions: readonly { readonly subject: string; readonly description: string }[];
  readonly retryAfterMs: number | undefined;

  constructor(init: AppErrorInit) {
    super(init.message, init.cause === undefined ? undefined : { cause: init.cause });
    this.kind = init.kind;
    this.reason = init.reason;
    this.domain = init.domain;
    this.metadata = init.metadata ?? {};
    this.violations = init.violations ?? [];
    this.resource = init.resource;
    this.preconditions = init.preconditions ?? [];
    this.retryAfterMs = init.retryAfterMs;
  }
}

/** All that an error says but its cause: what another one like it is made of, here or where it has been sent as JSON. */
export function initOf(error: AppError): AppErrorInit {
  const { kind, reason, domain, message, metadata, violations, resource, preconditions, retryAfterMs } = error;
  return {
    kind,
    reason,
    domain,
    message,
    metadata,
    violations,
    preconditions,
    ...(resource !== undefined && { resource }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
}

/** Whether a caught value is an {@link AppError}, and, if given, of this reason. */
export function isAppError(value: unknown, reason?: string): value is AppError {
  return value instanceof AppError && (reason === undefined || value.reason === reason);
}
