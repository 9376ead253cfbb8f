import { AppError, type AppErrorInit } from "@shoal/kernel";

/** An error as text, without its cause. */
export function errorToText(error: AppError): string {
  const { kind, reason, domain, message, metadata, violations, preconditions, resource } = error;
  const init: AppErrorInit = {
    kind,
    reason,
    domain,
    message,
    metadata,
    violations,
    preconditions,
    ...(resource && { resource }),
  };
  return JSON.stringify(init);
}

/** The error of a text of {@link errorToText}. */
export function errorFromText(text: string): AppError {
  return new AppError(JSON.parse(text) as AppErrorInit);
}
