/** Cuts a stream of text into lines. */
export class LineReader {
  readonly #maxLength: number;
  #rest = "";

  /** `maxLength`: of a line, in characters. */
  constructor(maxLength: number) {
    this.#maxLength = maxLength;
  }

  /** What has come of the line that is not complete. */
  get rest(): string {
    return this.#rest;
  }

  /** The lines that `text` completes, without their ends. Throws an `Error` at a line that is too long. */
  push(text: string): readonly string[] {
    const lines = text.split("\n");
    lines[0] = this.#rest + lines[0];
    if (lines.some((line) => line.length > this.#maxLength))
      throw new Error(`a line is longer than ${this.#maxLength} characters`);
    this.#rest = lines.pop() ?? "";
    return lines;
  }
}
