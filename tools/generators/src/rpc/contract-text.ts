/** What stands between the braces of `message NAME {…}` in a .proto file; undefined: there is no such message. */
export function messageBody(proto: string, name: string): string | undefined {
  const head = new RegExp(`^message ${name} \\{`, "m").exec(proto);
  if (head === null) return undefined;
  const from = head.index + head[0].length;
  return proto.slice(from, closingBrace(proto, from));
}

/** The same file with more at the end of a block that begins with `head`: `service OrderService {`. Throws where there is none. */
export function addToBlock(text: string, head: string, more: string): string {
  const begins = text.indexOf(head);
  if (begins === -1) throw new Error(`there is no "${head}"`);
  const end = closingBrace(text, begins + head.length);
  return `${text.slice(0, end).trimEnd()}\n${more}${text.slice(end)}`;
}

/** Where the brace that is open at `from` is closed; comments and strings may hold any. */
export function closingBrace(text: string, from: number): number {
  const token = /\/\/.*|\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`|[{}]/g;
  token.lastIndex = from;
  let open = 1;
  for (let found = token.exec(text); found !== null; found = token.exec(text)) {
    if (found[0] === "{") open += 1;
    if (found[0] === "}") open -= 1;
    if (open === 0) return found.index;
  }
  throw new Error("a brace is not closed");
}
