import { AppError } from "@shoal/kernel";

/** UNIMPLEMENTED (`METHOD_NOT_WRITTEN`): the contract of `domain`, such as `shoal.order`, has the method, and nobody has written it. */
export function notWritten(method: string, domain: string): AppError {
  return new AppError({
    kind: "unimplemented",
    reason: "METHOD_NOT_WRITTEN",
    domain,
    message: `${method} is in the contract, but is not written yet`,
    metadata: { method },
  });
}
