/** Something that has tasks at work, by when each began, in the time of `performance.now()`. */
export interface AtWork {
  readonly name: string;
  readonly children: ReadonlySet<{ readonly startedAt: number }>;
}

/** All that may have tasks at work in this process. */
const scopes = new Set<AtWork>();

/** Has {@link tasksAtWork} tell of a scope's children, those that there are whenever it is asked, until {@link isIdle}. */
export function isAtWork(scope: AtWork): void {
  scopes.add(scope);
}

/** Ends that. */
export function isIdle(scope: AtWork): void {
  scopes.delete(scope);
}

/** What one scope is at, for a report. */
export interface ScopeReport {
  readonly scope: string;
  /** How long each of its children has been at work, in milliseconds, the longest first. */
  readonly agesMs: readonly number[];
}

/** Every scope of this process with children at work, the one with the oldest first: what should have ended is at the top. */
export function tasksAtWork(): readonly ScopeReport[] {
  const now = performance.now();
  return [...scopes]
    .filter(({ children }) => children.size > 0)
    .map(({ name, children }) => ({
      scope: name,
      agesMs: [...children].map(({ startedAt }) => Math.round(now - startedAt)).sort((one, other) => other - one),
    }))
    .sort((one, other) => (other.agesMs[0] ?? 0) - (one.agesMs[0] ?? 0));
}
