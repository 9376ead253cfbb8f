/** A page of Grafana. */
export interface Dashboard {
  /** Its file's name, and what its address ends in. */
  readonly name: string;
  readonly title: string;
  /** What one looks at it for. */
  readonly says: string;
  readonly variables: readonly Variable[];
  readonly links?: readonly Link[];
  readonly rows: readonly Row[];
}

/** What the reader chooses at the top; `$name` in queries. */
export interface Variable {
  readonly name: string;
  readonly label: string;
  /** What it is chosen from: values of a label of the series of `up` that this selector finds. */
  readonly of: string;
  /** Whether several, or all, may be chosen: queries then match it with `=~`. */
  readonly many: boolean;
  /** What is chosen at first, where only one may be. */
  readonly first?: string;
}

/** A way to somewhere else; `${service}` and the like stand for what is chosen. */
export interface Link {
  readonly title: string;
  readonly url: string;
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export type Panel = MetricsPanel | LogsPanel;

interface PanelOptions {
  readonly title: string;
  /** What it means for the reader, in a line. */
  readonly says: string;
  /** Of 24. Default: 8. */
  readonly width?: number;
}

export interface MetricsPanel extends PanelOptions {
  /** Lines over time, or the latest values as figures. */
  readonly kind: "lines" | "figures";
  /** Grafana's name of the unit: `s`, `bytes`, `percentunit`, `short`, `cps` (so many a second). */
  readonly unit: string;
  /** Queries by what their lines are called; `{{label}}` is a label's value. */
  readonly queries: Readonly<Record<string, string>>;
  /** From here on a figure is coloured, or a line is marked: orange, and red. */
  readonly limits?: { readonly warn?: number; readonly bad: number; readonly below?: true };
}

export interface LogsPanel extends PanelOptions {
  readonly kind: "logs";
  /** In Loki's language. */
  readonly query: string;
}
