import { AppError } from "@shoal/kernel";

/** The opaque token of a place in a stream of changes, for going on from there. */
export function encodeResumeToken(place: bigint): string {
  return Buffer.from(`at ${place}`).toString("base64url");
}

/**
 * The place in a token of {@link encodeResumeToken}; `undefined` for the empty one of who begins. Throws an `invalid`
 * `AppError` (`RESUME_TOKEN_INVALID`, of `domain`) for anything else.
 */
export function decodeResumeToken(token: string, domain: string): bigint | undefined {
  if (token === "") return undefined;
  const place = /^at (\d{1,18})$/.exec(Buffer.from(token, "base64url").toString())?.[1];
  if (place !== undefined) return BigInt(place);
  const description = "must be the resume_token of an answer of such a stream, unchanged";
  throw new AppError({
    kind: "invalid",
    reason: "RESUME_TOKEN_INVALID",
    domain,
    message: `resume_token: ${description}`,
    violations: [{ field: "resume_token", description }],
  });
}

/**
 * FAILED_PRECONDITION: what has changed since a token's place is not known any more, because the token is older than changes
 * are kept, or of another database.
 */
export function resumeTokenExpired(domain: string, cause: unknown): AppError {
  const description = "the changes since then are not kept any more";
  return new AppError({
    kind: "precondition",
    reason: "RESUME_TOKEN_EXPIRED",
    domain,
    message: `resume_token: ${description}; watch anew without it to see what is there now`,
    preconditions: [{ subject: "resume_token", description }],
    cause,
  });
}
