// The reporter inside a test file's process: tells the runner (test-file.ts) what happens, as it happens, in lines of
// JSON on file descriptor 3. Synchronous writes, so that nothing is lost when the process ends abruptly.
import { AssertionError } from "node:assert";
import { writeSync } from "node:fs";
import { Transform } from "node:stream";
import type { TestEvent as NodeTestEvent } from "node:test/reporters";
import { inspect } from "node:util";

/** What the runner is told. `enqueue` and `complete` come at once; the others come in the order of the file. */
export type TestEvent =
  | { readonly type: "enqueue" | "complete"; readonly id: number }
  | { readonly type: "start"; readonly name: string; readonly nesting: number }
  | TestResult
  /** Something failed after its test had ended. */
  | { readonly type: "late-failure"; readonly error: string }
  | { readonly type: "end" };

/** How a test or suite ended. */
export interface TestResult {
  readonly type: "pass" | "fail";
  readonly name: string;
  /** 0 for a test at the top of its file, one more in each suite or parent test. */
  readonly nesting: number;
  readonly suite: boolean;
  /** Why it was skipped or left to do; "" without a reason, undefined when it simply ran. */
  readonly skipped: string | undefined;
  readonly line: number | undefined;
  /** Whether it failed only because a test inside it did. */
  readonly onlyInside: boolean;
  /** The error, ready to be read. */
  readonly error: string | undefined;
}

export default new Transform({
  writableObjectMode: true,
  transform(event: NodeTestEvent, _encoding, done) {
    const told = translate(event);
    if (told !== undefined) writeSync(3, `${JSON.stringify(told)}\n`);
    done();
  },
});

function translate(event: NodeTestEvent): TestEvent | undefined {
  switch (event.type) {
    case "test:enqueue":
    case "test:complete":
      return { type: event.type === "test:enqueue" ? "enqueue" : "complete", id: event.data.testId };
    case "test:start":
      return { type: "start", name: event.data.name, nesting: event.data.nesting };
    case "test:pass":
    case "test:fail":
      return result(event);
    case "test:diagnostic":
      return event.data.message.startsWith("Error:") ? { type: "late-failure", error: event.data.message } : undefined;
    case "test:summary":
      return { type: "end" };
    default:
      return undefined;
  }
}

function result(event: Extract<NodeTestEvent, { type: "test:pass" | "test:fail" }>): TestResult {
  const { name, nesting, line, details, skip, todo } = event.data;
  const error = event.type === "test:fail" ? event.data.details.error : undefined;
  const mark = skip ?? todo;
  return {
    type: event.type === "test:pass" ? "pass" : "fail",
    name,
    nesting,
    suite: details.type === "suite",
    skipped: mark === undefined || mark === false ? undefined : mark === true ? "" : mark,
    line,
    onlyInside: (error as { failureType?: string } | undefined)?.failureType === "subtestsFailed",
    error: error === undefined ? undefined : describe(error),
  };
}

/** The test's own error where the runner has wrapped it; the wrapper where that says more (a timeout). */
function describe(error: Error): string {
  const own = error.cause;
  if (!(own instanceof Error)) return error.message;
  const text = own instanceof AssertionError ? (own.stack ?? own.message) : inspect(own);
  return text.replaceAll(/^ +at .*\bnode:internal\/.*\n?/gm, "").trimEnd();
}
