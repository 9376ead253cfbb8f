import { AppError } from "@shoal/kernel";

/** The registry at `where` cannot be reached, or does not answer. Trying again later may help. */
export function registryUnavailable(where: string, why: string, cause?: unknown): AppError {
  return new AppError({
    kind: "unavailable",
    reason: "REGISTRY_UNAVAILABLE",
    domain: "shoal.discovery",
    message: `the registry ${where} cannot be used now: ${why}`,
    retryAfterMs: 1_000,
    cause,
  });
}

/** What was asked of a registry that has been closed. */
export function registryClosed(): Error {
  return new Error("the registry is closed: nothing more can be announced or watched through it");
}

/** An `Error`, whatever was thrown. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** Is told of a fault that no caller waits for. */
export type ProblemListener = (problem: Error) => void;

/** Makes a warning of the process of each problem: what is told when nobody listens. */
export const warnOfProblem: ProblemListener = (problem) => process.emitWarning(problem);
