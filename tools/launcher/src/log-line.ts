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
  return { level: level as LogLine["level"], message: withCause(said, err?.message) };
}

/** What is said of an error, with the error's own text, each once: that has the texts of its causes after its own. */
function withCause(said: string, cause: unknown): string {
  if (typeof cause !== "string" || said.includes(cause)) return said;
  return said === "" || cause.startsWith(said) ? cause : `${said}: ${cause}`;
}
