/** One figure, as `--json` prints it. */
export interface BenchRow {
  readonly bench: string;
  /** What was measured, such as `rpc.unary.p99.shoal`; each bench documents its own. */
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The same figure of what it is compared with, measured in the same run; null when there is nothing. */
  readonly baseline: number | null;
  /** How many times the baseline the value is; null when there is none. Not exactly `value / baseline`: see the bench. */
  readonly ratio: number | null;
}

/** Figures laid out for people. */
export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly lines: readonly (readonly string[])[];
  readonly notes: readonly string[];
}

/** What a bench has found. */
export interface BenchReport {
  readonly tables: readonly Table[];
  readonly rows: readonly BenchRow[];
}

/** How a bench is to be run. */
export interface BenchSettings {
  readonly rounds: number;
  /** How long one thing is measured in one round. */
  readonly seconds: number;
  /** Only these of the things that the bench compares, and its baseline; all when undefined. */
  readonly only: readonly string[] | undefined;
  /** The database to use, where the bench {@link Bench.takesDatabase takes} one: `sqlite`, a `mysql://` URL, or its own choice. */
  readonly database?: string | undefined;
  /** A folder to write CPU profiles of the measured processes to. */
  readonly profileDir: string | undefined;
  /** Aborts when the bench is to stop: it then ends what it has started and rejects. */
  readonly signal: AbortSignal;
  /** Told what is being done, often. */
  readonly progress: (doing: string) => void;
}

/** Something to measure. */
export interface Bench {
  readonly name: string;
  /** What it measures, in a line. */
  readonly what: string;
  /** What it compares, its baseline first. */
  readonly subjects: readonly string[];
  /** Whether it may be told which database to use; otherwise it cannot. */
  readonly takesDatabase?: boolean;
  readonly defaults: { readonly rounds: number; readonly seconds: number };
  run(settings: BenchSettings): Promise<BenchReport>;
}
