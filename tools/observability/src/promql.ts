import type { SyntaxNode } from "@lezer/common";
import { parser } from "@prometheus-io/lezer-promql";

/** Series that an expression asks for. */
export interface Selector {
  readonly metric: string;
  /** The labels that they are chosen by. */
  readonly labels: readonly string[];
  /** As it is written, without a range. */
  readonly text: string;
}

/** What an expression leans on. */
export interface Names {
  readonly selectors: readonly Selector[];
  /** Labels that it groups or matches by. */
  readonly groupedBy: readonly string[];
}

/**
 * The metrics and labels of an expression in Prometheus' language, in which Grafana's variables have been replaced. Throws a
 * `SyntaxError` where it is none. What the functions want of their arguments is Prometheus' to check.
 */
export function namesIn(expression: string): Names {
  const selectors: Selector[] = [];
  const groupedBy = new Set<string>();
  const textOf = ({ from, to }: SyntaxNode) => expression.slice(from, to);
  parser.parse(expression).iterate({
    enter: ({ node }) => {
      if (node.type.isError) throw new SyntaxError(`not PromQL at ${node.from}: ${expression}`);
      if (node.name === "VectorSelector") {
        const labels = node.getChild("LabelMatchers")?.getChildren("UnquotedLabelMatcher") ?? [];
        selectors.push({
          metric: textOf(node.getChild("Identifier") ?? node),
          labels: labels.map((matcher) => textOf(matcher.getChild("LabelName") ?? matcher)),
          text: textOf(node),
        });
      }
      if (node.name === "GroupingLabels")
        for (const label of node.getChildren("LabelName")) groupedBy.add(textOf(label));
    },
  });
  return { selectors, groupedBy: [...groupedBy] };
}
