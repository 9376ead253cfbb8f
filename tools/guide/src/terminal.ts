import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

/** Where, and with which environment, programs run. */
export interface Place {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

/** What came of commands. */
export interface Ended {
  readonly succeeded: boolean;
  /** Standard output and error, as they came. */
  readonly output: string;
}

/** How long a command may take, and how long `npm start` may take to stop, in milliseconds. */
const commandMs = 110_000;
const stopMs = 20_000;

/** Said by the shell when it is done with what it was given. */
const mark = "-- done --";
const isMarked = new RegExp(`^${mark} \\d$`, "m");

/** A shell that is typed into: what one command defines, the next ones know. */
export class Terminal {
  readonly #shell: Program;

  constructor(place: Place) {
    this.#shell = new Program("/bin/sh", [], place, "pipe");
    this.#shell.type("exec 2>&1\nset -e\n");
  }

  /** Runs commands, the first that fails being the last. After a failure nothing more can be run, unless it `mayFail`. */
  async run(commands: string, mayFail: boolean): Promise<Ended> {
    const from = this.#shell.output.length;
    const group = `{\n${commands}\n} </dev/null`;
    const failed = `echo; echo "${mark} 1"`;
    const succeeded = `echo; echo "${mark} 0"`;
    this.#shell.type(mayFail ? `if ${group}; then ${succeeded}; else ${failed}; fi\n` : `${group}\n${succeeded}\n`);
    const output = () => this.#shell.output.slice(from);
    const isDone = () => this.#shell.hasEnded || isMarked.test(output());
    if (!(await cameTrue(isDone, commandMs))) throw new Error(`not done in ${commandMs} ms; so far:\n${output()}`);
    const [said, code] = output().split(`\n${mark} `);
    return { succeeded: code?.startsWith("0") === true, output: said ?? "" };
  }

  /** Ends the shell, and what it still runs. */
  close(): Promise<void> {
    return this.#shell.kill();
  }
}

/** The terminal in which the services run. */
export class ServicesTerminal {
  #program: Program | undefined;

  /** Runs `command` until {@link stop}; answers once `isReady` says so of its output. Rejects when it ends before. */
  async start(command: string, place: Place, isReady: (output: string) => boolean): Promise<void> {
    if (this.#program !== undefined) throw new Error("the services run already: the reader must press Ctrl-C first");
    const program = new Program("/bin/sh", ["-c", `exec ${command} 2>&1`], place, "ignore");
    this.#program = program;
    const isOver = () => program.hasEnded || isReady(program.output);
    if (!(await cameTrue(isOver, commandMs)) || !isReady(program.output))
      throw new Error(`it did not come so far; it said:\n${program.output}`);
  }

  /** Presses Ctrl-C, and waits until all has ended. */
  async stop(): Promise<void> {
    const program = this.#program;
    if (program === undefined) throw new Error("there is nothing to press Ctrl-C for");
    this.#program = undefined;
    program.signal("SIGINT");
    if (!(await cameTrue(() => program.hasEnded, stopMs))) {
      await program.kill();
      throw new Error(`Ctrl-C did not end it; it said:\n${program.output}`);
    }
  }

  /** Stops what runs, if anything does. */
  async close(): Promise<void> {
    if (this.#program !== undefined) await this.stop();
  }
}

/** A program with a process group of its own. */
class Program {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  /** What it has said so far. */
  output = "";
  hasEnded = false;

  constructor(command: string, args: readonly string[], { cwd, env }: Place, stdin: "pipe" | "ignore") {
    this.#child = spawn(command, args, { cwd, env, stdio: [stdin, "pipe", "pipe"], detached: true });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.setEncoding("utf8").on("data", (data: string) => {
        this.output += data;
      });
    // What is typed into a shell that has ended is lost; that it has ended is said elsewhere.
    this.#child.stdin?.on("error", () => {});
    this.#closed = once(this.#child, "close").then(() => {
      this.hasEnded = true;
    });
  }

  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  signal(signal: NodeJS.Signals): void {
    if (this.hasEnded || this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, signal);
    } catch (error) {
      // The last of the group is gone, and what it said is still on its way.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.#closed;
  }
}

async function cameTrue(condition: () => boolean, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > deadline) return false;
    await sleep(20);
  }
  return true;
}
