/** A part of the guide: from one heading to the next. */
export interface Section {
  readonly title: string;
  readonly steps: readonly Step[];
}

/** Something that the reader is told to do, at a line of the guide. */
export type Step = { readonly line: number } & (
  | {
      /** Runs commands to their end; they succeed, or the last of them `fails`. */
      readonly kind: "run";
      readonly commands: string;
      readonly fails: boolean;
      /** What is to be seen, as {@link isShown} reads it; undefined: whatever. */
      readonly shows: string | undefined;
    }
  /** Starts the services, which then run until `stop`, and waits until `shows` is to be seen. */
  | { readonly kind: "start"; readonly command: string; readonly shows: string }
  /** Presses Ctrl-C where the services run. */
  | { readonly kind: "stop" }
  /** Applies a diff to the repository. */
  | { readonly kind: "change"; readonly diff: string }
);

/** What a reader does in the other terminal; the guide says it in these words. */
const stopWords = "Press Ctrl-C";

/**
 * Reads what a guide tells its reader to do: fenced blocks of `sh`, `text` and `diff`, and {@link stopWords}. Throws an `Error` that
 * names the line of anything that looks like code and is none of these, so that no snippet is left out.
 */
export function readGuide(markdown: string): readonly Section[] {
  const sections: { title: string; steps: Step[] }[] = [];
  const lines = markdown.split("\n");
  for (let at = 0; at < lines.length; at += 1) {
    const text = lines[at] ?? "";
    const line = at + 1;
    const steps = sections.at(-1)?.steps;
    if (text.startsWith("```")) {
      const end = lines.indexOf("```", at + 1);
      if (end === -1) throw new Error(`line ${line}: the block is not closed`);
      if (steps === undefined) throw new Error(`line ${line}: the block stands before the first heading`);
      addBlock(steps, line, text.slice("```".length), lines.slice(at + 1, end).join("\n"));
      at = end;
    } else if (/^\s*(?:```|~~~)/.test(text) || (/^(?: {4}|\t)/.test(text) && lines[at - 1] === "")) {
      throw new Error(`line ${line}: a block of code must stand between lines that begin with \`\`\``);
    } else if (/^#+ /.test(text)) {
      sections.push({ title: text.replace(/^#+ /, ""), steps: [] });
    } else if (text.includes(stopWords)) {
      steps?.push({ kind: "stop", line });
    }
  }
  for (const step of sections.flatMap(({ steps }) => steps))
    if (step.kind === "start" && step.shows === "")
      throw new Error(`line ${step.line}: a block of text must say what is to be seen when the services run`);
  return sections;
}

function addBlock(steps: Step[], line: number, info: string, content: string): void {
  const before = steps.at(-1);
  switch (info) {
    case "diff":
      steps.push({ kind: "change", line, diff: `${content}\n` });
      return;
    case "sh":
      if (content.startsWith("npm start")) steps.push({ kind: "start", line, command: content, shows: "" });
      else steps.push({ kind: "run", line, commands: content, fails: false, shows: undefined });
      return;
    case "sh fails":
      steps.push({ kind: "run", line, commands: content, fails: true, shows: undefined });
      return;
    case "text":
      if (before === undefined || !("shows" in before) || before.shows) break;
      steps.splice(-1, 1, { ...before, shows: content });
      return;
  }
  throw new Error(`line ${line}: nobody knows what to do with a block of "${info}" here`);
}

/**
 * Whether an output is what a guide shows of it. A line `…` stands for any lines, or none; `…` within a line for any text. Blank
 * lines, and how much white space there is, do not count.
 */
export function isShown(shows: string, output: string): boolean {
  const pattern = tidy(shows).map((line) => (line === "…" ? "(?:.*\n)*?" : `${linePattern(line)}\n`));
  const text = tidy(output).map((line) => `${line}\n`);
  return new RegExp(`^${pattern.join("")}$`).test(text.join(""));
}

function linePattern(line: string): string {
  return line.split("…").map(escapePattern).join(".*");
}

function escapePattern(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

function tidy(text: string): readonly string[] {
  return text
    .split("\n")
    .map((line) => line.trim().replaceAll(/\s+/g, " "))
    .filter((line) => line !== "");
}
