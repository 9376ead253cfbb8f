import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator, type Violation } from "@bufbuild/protovalidate";
import { AppError, type FieldViolation } from "@shoal/kernel";
import { isSurelyValid } from "./quick-check.ts";

/** The contracts' patterns are our own, so the platform's engine is safe for them, and much the faster one. */
const patterns = new Map<string, RegExp>();
/** Judges by itself, and is asked only where {@link isSurelyValid} does not know. */
export const validator = createValidator({
  regexMatch: (pattern, text) => {
    const compiled = patterns.get(pattern) ?? new RegExp(pattern, "u");
    patterns.set(pattern, compiled);
    return compiled.test(text);
  },
});

/**
 * Checks `message` against the rules that stand in its contract. Throws an `invalid` {@link AppError}
 * (`INVALID_REQUEST`, of `domain`) that lists every violation with the path of its field.
 */
export function requireValid<D extends DescMessage>(schema: D, message: MessageShape<D>, domain: string): void {
  if (isSurelyValid(schema, message)) return;
  const result = validator.validate(schema, message);
  if (result.kind === "valid") return;
  if (result.kind === "error") throw result.error;
  const violations = result.violations.map((violation) => toFieldViolation(schema, violation));
  throw new AppError({
    kind: "invalid",
    reason: "INVALID_REQUEST",
    domain,
    message: violations.map(({ field, description }) => (field ? `${field}: ${description}` : description)).join("; "),
    violations,
  });
}

/** A rule about a whole message names the field that it speaks of as the last part of its id: `update_user.email`. */
function toFieldViolation(schema: DescMessage, violation: Violation): FieldViolation {
  const named = violation.ruleId.split(".").at(-1) ?? "";
  const field = pathToString(violation.field) || (schema.fields.some(({ name }) => name === named) ? named : "");
  return { field, description: violation.message };
}
