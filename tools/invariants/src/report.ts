import type { Finding } from "./finding.ts";

/** A line for each invariant, and below it some of its violations. */
export function formatFindings(findings: readonly Finding[]): string {
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
