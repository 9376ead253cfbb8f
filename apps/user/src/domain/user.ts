import { AppError } from "@shoal/kernel";

/** A person who may place orders while active. */
export interface User {
  readonly id: string;
  /** As the user wrote it. */
  readonly email: string;
  readonly displayName: string;
  readonly status: "active" | "inactive";
  /** From 1, one more with every change. */
  readonly version: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

/** What may be changed of a user; what is left out stays as it is. */
export interface UserChange {
  readonly email?: string;
  readonly displayName?: string;
}

/** Two e-mails with the same key are the same e-mail: case and Unicode composition do not count. */
export function emailKey(email: string): string {
  return email.normalize("NFC").toLowerCase();
}

/** Whose errors are these. */
export const domain = "shoal.user";
const resource = (id: string) => ({ type: "shoal.user.User", name: id });

/** NOT_FOUND: no user has this id. */
export function userNotFound(id: string): AppError {
  return new AppError({
    kind: "missing",
    reason: "USER_NOT_FOUND",
    domain,
    message: `there is no user ${id}`,
    resource: resource(id),
  });
}

/** ALREADY_EXISTS: another user, active or not, has this e-mail. */
export function emailTaken(email: string): AppError {
  return new AppError({
    kind: "duplicate",
    reason: "EMAIL_TAKEN",
    domain,
    message: "another user has this e-mail",
    resource: { type: "shoal.user.User.email", name: email },
  });
}

/** ABORTED: the user has changed since the caller read it. */
export function userVersionStale(id: string, version: number): AppError {
  return new AppError({
    kind: "stale",
    reason: "USER_VERSION_STALE",
    domain,
    message: `user ${id} is no longer at version ${version}; read it again`,
    metadata: { version: String(version) },
  });
}
