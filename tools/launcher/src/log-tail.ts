import { closeSync, openSync, readSync } from "node:fs";

/** How often a log is looked at, in milliseconds. */
const pollMs = 200;

/**
 * Reads a log while another process writes it, line by line. The service writes to the file itself, not through a
 * pipe: so it can neither be held up by a terminal that does not take more, nor fail when its launcher is gone.
 */
export class LogTail {
  readonly #file: number;
  readonly #onLine: (line: string) => void;
  readonly #timer: NodeJS.Timeout;
  readonly #chunk = Buffer.alloc(65_536);
  #unfinished = Buffer.alloc(0);

  /** Has `onLine` called for each line of the file at `path`, which must exist. The caller ends it. */
  constructor(path: string, onLine: (line: string) => void) {
    this.#file = openSync(path, "r");
    this.#onLine = onLine;
    this.#timer = setInterval(() => this.#read(), pollMs);
  }

  /** Reads what is still unread, the last line included if it was left unfinished, and closes the file. */
  end(): void {
    clearInterval(this.#timer);
    this.#read();
    if (this.#unfinished.length > 0) this.#onLine(this.#unfinished.toString());
    closeSync(this.#file);
  }

  #read(): void {
    for (;;) {
      const length = readSync(this.#file, this.#chunk, 0, this.#chunk.length, null);
      if (length === 0) return;
      let text = Buffer.concat([this.#unfinished, this.#chunk.subarray(0, length)]);
      for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n")) {
        this.#onLine(text.subarray(0, end).toString());
        text = text.subarray(end + 1);
      }
      this.#unfinished = text;
    }
  }
}
