/** How far a task has come. */
export interface ProgressState {
  readonly done: number;
  readonly total: number;
  readonly elapsedMs: number;
}

const barWidth = 24;

/** One line for a terminal of `columns`: label, bar, share, count, rate, and the time left at that rate. */
export function formatBar(label: string, { done, total, elapsedMs }: ProgressState, columns: number): string {
  const filled = Math.floor(shareOf({ done, total, elapsedMs }) * barWidth);
  const bar = `${"█".repeat(filled)}${"░".repeat(barWidth - filled)}`;
  const perSecond = rateOf(done, elapsedMs);
  const left = perSecond > 0 ? `, ${Math.ceil((total - done) / perSecond)} s left` : "";
  const text = `${label} ${bar} ${percentOf({ done, total, elapsedMs })} % ${group(done)}/${group(total)}, ${formatRate(perSecond)}/s${left}`;
  return text.slice(0, Math.max(0, columns - 1));
}

/** One line for where there is no terminal. */
export function formatLine(label: string, state: ProgressState): string {
  const { done, total, elapsedMs } = state;
  return `${label} ${percentOf(state)} % ${group(done)}/${group(total)}, ${formatRate(rateOf(done, elapsedMs))}/s`;
}

/** A rate for people: whole numbers from 10 on, one decimal below. */
export function formatRate(perSecond: number): string {
  return perSecond >= 10 ? Math.round(perSecond).toLocaleString("en") : perSecond.toFixed(1);
}

/** How many a second. */
export function rateOf(done: number, elapsedMs: number): number {
  return elapsedMs > 0 ? (done * 1_000) / elapsedMs : 0;
}

/** Where progress is shown: standard output, or what stands in for it. */
export interface ProgressOutput {
  readonly isTTY?: boolean;
  /** Of the terminal; 80 when it does not say. */
  readonly columns?: number;
  write(text: string): unknown;
}

/** The progress of one task. */
export interface Progress {
  /** One more is done. */
  advance(): void;
  /** Removes the bar, so that something else can be written. */
  end(): void;
}

/** A bar is drawn anew no more often than this, in milliseconds. */
const redrawMs = 100;

/** Shows progress: on a terminal a bar that is drawn over itself, elsewhere a line for each tenth. */
export function showProgress(label: string, total: number, output: ProgressOutput, now: () => number): Progress {
  const startedAt = now();
  let done = 0;
  let shown = 0;
  let shownAt = Number.NEGATIVE_INFINITY;
  return {
    advance: () => {
      done += 1;
      const state = { done, total, elapsedMs: now() - startedAt };
      if (output.isTTY === true) {
        if (now() - shownAt < redrawMs) return;
        shownAt = now();
        output.write(`\r${formatBar(label, state, output.columns || 80)}\u001b[K`);
      } else {
        const tenth = Math.floor(shareOf(state) * 10);
        if (tenth > shown) output.write(`${formatLine(label, state)}\n`);
        shown = tenth;
      }
    },
    end: () => {
      if (output.isTTY === true) output.write("\r\u001b[K");
    },
  };
}

function shareOf({ done, total }: ProgressState): number {
  return total === 0 ? 1 : Math.min(1, done / total);
}

function group(count: number): string {
  return count.toLocaleString("en");
}

function percentOf(state: ProgressState): string {
  return String(Math.floor(shareOf(state) * 100)).padStart(3);
}
