/** One line of a service's log. */
export interface LogLine {
  readonly level: "trace" | "debug" | "info" | "warn" | "error" | "fatal";
  readonly message: string;
}

const levels = new Set(["trace", "debug", "info", "warn", "error", "fatal"]);

/** Reads a line of JSON as the services write it; undefined for anything else, such as a crash's stack. */
export function parseLogLine(line: string): LogLine | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { level, msg, err } = value as { level?: unknown; msg?: unknown; err?: { message?: unknown } };
  if (typeof level !== "string" || !levels.has(level)) return undefined;
  const said = typeof msg === "string" ? msg : "";
  // What a service says of an error of others seldom repeats what that error says.
  const cause = typeof err?.message === "string" && !said.includes(err.message) ? err.message : "";
  return { level: level as LogLine["level"], message: [said, cause].filter((part) => part !== "").join(": ") };
}
