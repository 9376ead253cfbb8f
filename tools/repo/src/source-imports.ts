import { parseSync } from "oxc-parser";

/** One import of a source file. */
export interface SourceImport {
  /** What is imported, as it is written: "./order.ts", "@shoal/kernel", "node:fs". */
  readonly specifier: string;
  /** From 1. */
  readonly line: number;
}

/**
 * Finds what a TypeScript file imports: import and export declarations, types included, `import("x")` as a value and as
 * a type, `import x = require("x")`, `require("x")` and `import.meta.resolve("x")`. Computed names are not seen.
 * Throws a SyntaxError when the file does not parse.
 */
export function sourceImports(path: string, text: string): SourceImport[] {
  const { program, errors } = parseSync(path, text);
  if (errors[0] !== undefined) throw new SyntaxError(`${path}: ${errors[0].message}`);
  const found: SourceImport[] = [];
  visit(program, (node) => {
    const source = importedBy(node);
    if (source?.type !== "Literal" || typeof source.value !== "string") return;
    found.push({ specifier: source.value, line: text.slice(0, source.start).split("\n").length });
  });
  return found;
}

/** The parts of the parser's nodes that matter here. */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly value?: unknown;
  readonly name?: string;
  readonly source?: Node | null;
  readonly expression?: Node;
  readonly callee?: Node;
  readonly object?: Node;
  readonly property?: Node;
  readonly arguments?: readonly Node[];
}

function importedBy(node: Node): Node | null | undefined {
  switch (node.type) {
    case "ImportDeclaration":
    case "ExportNamedDeclaration":
    case "ExportAllDeclaration":
    case "ImportExpression":
    case "TSImportType":
      return node.source;
    case "TSExternalModuleReference":
      return node.expression;
    case "CallExpression":
      return isRequire(node.callee) || isMetaResolve(node.callee) ? node.arguments?.[0] : undefined;
    default:
      return undefined;
  }
}

function isRequire(callee: Node | undefined): boolean {
  return callee?.type === "Identifier" && callee.name === "require";
}

function isMetaResolve(callee: Node | undefined): boolean {
  return (
    callee?.type === "MemberExpression" && callee.object?.type === "MetaProperty" && callee.property?.name === "resolve"
  );
}

function visit(value: unknown, see: (node: Node) => void): void {
  if (Array.isArray(value)) for (const item of value) visit(item, see);
  else if (typeof value === "object" && value !== null) {
    if ("type" in value && "start" in value) see(value as Node);
    for (const part of Object.values(value)) visit(part, see);
  }
}
