import type { Finding } from "./finding.ts";

/** Whether nothing is violated. */
export function allHold(findings: readonly Finding[]): boolean {
  return findings.every(({ violations }) => violations === 0);
}

/** A line for each invariant, below it some of its violations, and in the end how many hold and how long it took. */
export function formatFindings(findings: readonly Finding[], tookMs: number): string {
  const violated = findings.filter(({ violations }) => violations > 0).length;
  const result = violated === 0 ? "all hold" : `${violated} ${violated === 1 ? "does" : "do"} not hold`;
  return `${formatLines(findings)}\n${findings.length} invariants, ${result}, in ${(tookMs / 1_000).toFixed(1)} s`;
}

function formatLines(findings: readonly Finding[]): string {
  const width = (text: (finding: Finding) => string) => Math.max(...findings.map((finding) => text(finding).length));
  const nameOf = ({ name }: Finding) => name;
  const saysOf = ({ says }: Finding) => says;
  const rowsOf = ({ rows }: Finding) => rows.toLocaleString("en");
  const [name, says, rows] = [nameOf, saysOf, rowsOf].map(width) as [number, number, number];
  return findings
    .flatMap((finding) => {
      const { violations, examples } = finding;
      const result = violations === 0 ? "ok" : `${violations.toLocaleString("en")} violated`;
      const line = [nameOf(finding).padEnd(name), saysOf(finding).padEnd(says), rowsOf(finding).padStart(rows), result];
      const left = violations - examples.length;
      const more = left > 0 ? [`    and ${left.toLocaleString("en")} more`] : [];
      return [line.join("  "), ...examples.map((example) => `    ${example}`), ...more];
    })
    .join("\n");
}
