import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { TestCounts } from "./test-counts.ts";
import type { TestEvent, TestResult } from "./test-events.ts";
import { workspaceRoot } from "./workspace.ts";

export interface TestFileOptions {
  /** The folder the file's process runs in. */
  readonly cwd: string;
  /** How long one test may take, milliseconds; it fails when it takes longer. Default 120,000. */
  readonly testTimeoutMs?: number;
  /** How long a file may go on when all its tests have ended, milliseconds. Default 15,000. */
  readonly lingerMs?: number;
  /** Stops the file's process at once. */
  readonly signal?: AbortSignal;
}

export const defaultTestFileOptions = Object.freeze({ testTimeoutMs: 120_000, lingerMs: 15_000 });

/** One test as a reader needs it. */
export interface TestLine {
  /** The names of its suites and its own. */
  readonly name: string;
  readonly line: number | undefined;
  /** The error, or the reason for skipping it. */
  readonly detail: string;
}

/** What came of a test file. */
export interface TestFileResult {
  readonly counts: TestCounts;
  readonly failures: readonly TestLine[];
  readonly skips: readonly TestLine[];
  /** What it wrote on its standard output and error. */
  readonly output: string;
  readonly durationMs: number;
}

// Above the time limit of a test: what a process that can run timers needs to say that a test has passed its limit.
const graceMs = 15_000;
const reporter = join(import.meta.dirname, "test-events.ts");

/**
 * Runs one test file in a process of its own and counts its leaf tests: tests that hold other tests count only when
 * they fail by themselves. Always ends: a test over its time limit fails; a process that says nothing for longer than
 * that, that stays when its tests have ended, or that leaves a process behind is ended and counts as one failure more.
 * So does one that ends in the middle of its tests.
 */
export async function runTestFile(file: string, options: TestFileOptions): Promise<TestFileResult> {
  const started = performance.now();
  const { testTimeoutMs, lingerMs } = { ...defaultTestFileOptions, ...options };
  const child = start(file, options, testTimeoutMs);
  const tally = new Tally();
  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (data) => output.push(String(data)));

  let stoppedFor: string | undefined;
  let watch: NodeJS.Timeout | undefined;
  const rearm = () => {
    clearTimeout(watch);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const stop = (reason: string) => {
      stoppedFor = reason;
      child.kill("SIGKILL");
    };
    watch = tally.idle
      ? setTimeout(stop, lingerMs, `still running ${lingerMs} ms after its last test: something is left open`)
      : setTimeout(stop, testTimeoutMs + graceMs, `no sign of life for ${testTimeoutMs + graceMs} ms`);
  };
  rearm();
  createInterface({ input: child.stdio[3] as Readable }).on("line", (line) => {
    const event = JSON.parse(line) as TestEvent;
    if (event.type === "late-failure") tally.fail(file, event.error);
    else tally.add(event);
    rearm();
  });

  const closed = once(child, "close");
  const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  clearTimeout(watch);
  const leftBehind = (await Promise.race([closed, sleep(lingerMs, "left behind", { ref: false })])) === "left behind";
  if (leftBehind) for (const stream of child.stdio) stream?.destroy();

  if (stoppedFor !== undefined) tally.fail(file, stoppedFor);
  else if (!tally.ended) tally.fail(file, `ended in the middle of its tests (${signal ?? `exit code ${code}`})`);
  else if (leftBehind) tally.fail(file, "left a process running");
  else if (code !== 0 && tally.failures.length === 0) tally.fail(file, `ended with ${signal ?? `exit code ${code}`}`);
  const { counts, failures, skips } = tally;
  return { counts, failures, skips, output: output.join(""), durationMs: performance.now() - started };
}

function start(file: string, { cwd, signal }: TestFileOptions, testTimeoutMs: number): ChildProcess {
  // What a test sees must not depend on who runs it: nx asks for colours, `node --test` for its own reporter.
  const { NODE_TEST_CONTEXT: _, FORCE_COLOR: __, ...env } = process.env;
  const args = [`--test-reporter=${reporter}`, `--test-timeout=${testTimeoutMs}`, "--enable-source-maps", file];
  // Each file is a process of its own, and may start many: all load the same modules, copies of the repository too.
  const compiled = {
    NODE_COMPILE_CACHE: join(workspaceRoot, "node_modules/.cache/compiled"),
    NODE_COMPILE_CACHE_PORTABLE: "1",
  };
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...compiled, ...env },
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  signal?.addEventListener("abort", () => child.kill("SIGKILL"));
  return child;
}

/** Makes counts out of a file's events. */
class Tally {
  readonly failures: TestLine[] = [];
  readonly skips: TestLine[] = [];
  #passed = 0;
  #ended = false;
  readonly #running = new Set<number>();
  #anyTest = false;
  /** By nesting: the names of the open tests, and whether a test inside one has ended. */
  readonly #names: string[] = [];
  readonly #hasInside: boolean[] = [];

  get counts(): TestCounts {
    return { passed: this.#passed, failed: this.failures.length, skipped: this.skips.length };
  }

  /** Whether the file has run to its end. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Whether every test known so far has ended. False before the first. */
  get idle(): boolean {
    return this.#anyTest && this.#running.size === 0;
  }

  add(event: Exclude<TestEvent, { type: "late-failure" }>): void {
    switch (event.type) {
      case "enqueue":
        this.#anyTest = true;
        this.#running.add(event.id);
        break;
      case "complete":
        this.#running.delete(event.id);
        break;
      case "start":
        this.#names[event.nesting] = event.name;
        break;
      case "end":
        this.#ended = true;
        break;
      default:
        this.#count(event);
    }
  }

  fail(name: string, detail: string): void {
    this.failures.push({ name, line: undefined, detail });
  }

  #count(result: TestResult): void {
    const { nesting, line, skipped, error } = result;
    const holdsTests = this.#hasInside[nesting + 1] === true;
    this.#hasInside[nesting + 1] = false;
    this.#hasInside[nesting] = true;
    const name = [...this.#names.slice(0, nesting), result.name].join(" > ");
    if (skipped !== undefined) {
      if (!holdsTests) this.skips.push({ name, line, detail: skipped });
    } else if (result.type === "fail") {
      if (!result.onlyInside) this.failures.push({ name, line, detail: error ?? "" });
    } else if (!holdsTests && !result.suite) this.#passed += 1;
  }
}
