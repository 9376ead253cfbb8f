/** What came of a check. */
export interface CheckResult {
  readonly ok: boolean;
  /** A few words that a reader needs even when it passed. */
  readonly note?: string;
  /** What is wrong, printed when it failed. */
  readonly details?: string;
}

/** Prints a check's result: one line, and the details when it failed. */
export function printResult(name: string, { ok, note, details = "" }: CheckResult): void {
  console.log(`${ok ? "✓" : "✗"} ${name}${note === undefined ? "" : ` (${note})`}`);
  if (!ok) console.log(details.trimEnd().replaceAll(/^(?=.)/gm, "    "));
}

/** Awaits and prints one check as a whole run; a failure makes the exit code 1. */
export async function printAlone(name: string, result: Promise<CheckResult>): Promise<void> {
  const ended = await result;
  printResult(name, ended);
  if (!ended.ok) process.exitCode = 1;
}
