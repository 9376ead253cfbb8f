import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, renameSync } from "node:fs";
import type { ReadyMessage } from "@shoal/runtime";
import { type LogLine, parseLogLine } from "./log-line.ts";
import { LogTail } from "./log-tail.ts";

/** How a service's process is started. */
export interface ServiceProcessOptions {
  readonly name: string;
  readonly entry: string;
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** What it writes goes here. The file of the run before is kept beside it, as `<name>.previous.log`. */
  readonly logFile: string;
  /** Told of each line of its log from `warn` up. */
  readonly onWarning: (line: LogLine) => void;
}

/** How a service's process ended. */
export interface ServiceEnd {
  readonly service: string;
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly logFile: string;
  /** What it wrote last that was no log line, such as a crash's stack; empty when it said itself why it ended. */
  readonly lastWords: readonly string[];
}

/** Lines of a crash's output that are worth showing. */
const maxLastWords = 12;

/** What a crash prints that says nothing of the service: frames inside Node, empty lines, Node's version. */
const noise = /^\s*at .*\bnode:internal\/|^\s*$|^Node\.js v/;

/** Lines of a log that nobody is told of. There may be thousands a second: they are not parsed. */
const quiet = /^\{"level":"(?:info|debug|trace)"/;

/**
 * A service as a process of its own: in its own process group, so that a terminal's Ctrl-C does not reach it, and with
 * an IPC channel, whose end tells it to stop when its launcher is gone, however it went.
 *
 * States: starting → ready → ended; or starting → ended.
 */
export class ServiceProcess {
  readonly name: string;
  /** Resolves when it takes calls; never when it ends before. */
  readonly ready: Promise<ReadyMessage>;
  /** Resolves when it has ended and its whole log has been read. Never rejects. */
  readonly ended: Promise<ServiceEnd>;
  readonly #child: ChildProcess;

  constructor(options: ServiceProcessOptions) {
    const { name, entry, cwd, env, logFile, onWarning } = options;
    this.name = name;
    if (existsSync(logFile)) renameSync(logFile, logFile.replace(/\.log$/, ".previous.log"));
    const log = openSync(logFile, "a");
    const child = spawn(process.execPath, [entry], {
      cwd,
      env,
      stdio: ["ignore", log, log, "ipc"],
      detached: true,
    });
    closeSync(log);
    this.#child = child;

    const lastWords: string[] = [];
    let explained = false;
    const tail = new LogTail(logFile, (text) => {
      if (quiet.test(text)) return;
      const line = parseLogLine(text);
      if (line === undefined && !noise.test(text)) lastWords.push(text);
      if (line?.level === "warn" || line?.level === "error" || line?.level === "fatal") onWarning(line);
      explained ||= line?.level === "fatal";
      if (lastWords.length > maxLastWords) lastWords.shift();
    });
    this.ready = new Promise((resolve) => {
      child.on("message", (message) => {
        if ((message as Partial<ReadyMessage>)?.type === "ready") resolve(message as ReadyMessage);
      });
    });
    this.ended = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null) => {
        tail.end();
        resolve({ service: name, code, signal, logFile, lastWords: explained ? [] : lastWords });
      };
      child.once("exit", end);
      child.on("error", (error) => {
        // A message or signal that came too late is no end.
        if (child.pid !== undefined) return;
        lastWords.push(error.message);
        end(null, null);
      });
    });
  }

  /** The process's id; undefined when it could not be started at all. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Whether it has not ended. */
  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Tells it something over its channel; nothing where it has ended. */
  send(message: object): void {
    if (this.#child.connected) this.#child.send(message);
  }

  /** Asks it to drain and stop, and ends it when it has not within `timeoutMs`. Answers whether it had to be. */
  async stop(timeoutMs: number): Promise<{ readonly forced: boolean }> {
    let forced = false;
    const timer = setTimeout(() => {
      forced = true;
      this.kill();
    }, timeoutMs);
    this.#child.kill("SIGTERM");
    await this.ended;
    clearTimeout(timer);
    return { forced };
  }

  /** Ends it at once, as a crash would. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }
}
