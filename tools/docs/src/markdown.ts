/** Where a link of a text leads: what stands in its parentheses, and the line that it begins in, from 1. */
export interface Link {
  readonly target: string;
  readonly line: number;
}

/** A block of code, with the name of the file that the line before it gives: `` `path` … : ``. */
export interface NamedBlock {
  readonly file: string;
  /** What stands after the block's opening marks, such as `ts` or `diff`. */
  readonly language: string;
  /** With its last line's end. */
  readonly code: string;
}

/** The links of a Markdown text, pictures among them; what stands in code is none. */
export function linksIn(markdown: string): readonly Link[] {
  const text = withoutCode(markdown);
  return [...text.matchAll(/\[[^\]]*\]\(([^()\s]+)\)/g)].map(({ 1: target = "", index }) => ({
    target,
    line: text.slice(0, index).split("\n").length,
  }));
}

/** What the headings of a Markdown text are called in links, as GitHub makes it of them. */
export function anchorsIn(markdown: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const [, heading = ""] of withoutBlocks(markdown).matchAll(/^#{1,6} +(.*)$/gm)) {
    const anchor = anchorOf(heading);
    let name = anchor;
    for (let again = 1; anchors.has(name); again += 1) name = `${anchor}-${again}`;
    anchors.add(name);
  }
  return anchors;
}

/** The scripts that a text has one run by `npm run`, each once. */
export function scriptsIn(markdown: string): readonly string[] {
  const found = markdown.matchAll(/\bnpm run (?:-s |--silent )?([a-z][\w:-]*)/g);
  return [...new Set([...found].map(([, script = ""]) => script))];
}

/** The blocks of code that have a file's name before them, in their order. */
export function namedBlocksIn(markdown: string): readonly NamedBlock[] {
  const found = markdown.matchAll(/^`([^`\n]+)`[^\n]*:\n\n```(\w+)\n([\s\S]*?)^```$/gm);
  return [...found].map(([, file = "", language = "", code = ""]) => ({ file, language, code }));
}

function anchorOf(heading: string): string {
  const shown = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").replaceAll("`", "");
  return shown
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(" ", "-");
}

function withoutCode(markdown: string): string {
  return withoutBlocks(markdown).replaceAll(/`[^`\n]+`/g, "code");
}

/** Their lines are left, so that what follows keeps its number. */
function withoutBlocks(markdown: string): string {
  return markdown.replaceAll(/^```[\s\S]*?^```$/gm, (block) => "\n".repeat(block.split("\n").length - 1));
}
