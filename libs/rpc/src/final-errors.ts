/** Failures after which no caller further up should try again. Kept beside them: it is no part of what they say. */
const finals = new WeakSet<Error>();

/** How far an error's causes are followed: further than anybody wraps them, and short of a circle. */
const maxDepth = 8;

/**
 * Marks the failure of a call whose client has tried again all that it may, or holds such calls back, or which fails the
 * same however often it is made. Servers that fail with it, or because of it, tell their own callers not to repeat the call:
 * the layer next to the trouble has done so, and each further one would multiply its attempts.
 */
export function markFinal(error: Error): void {
  finals.add(error);
}

/** Whether an error is marked, or has a cause that is. Never throws. */
export function isFinal(error: unknown): boolean {
  try {
    let current = error;
    for (let depth = 0; depth < maxDepth && current instanceof Error; depth += 1) {
      if (finals.has(current)) return true;
      current = current.cause;
    }
  } catch {
    // A handler may throw what cannot be looked at.
  }
  return false;
}
