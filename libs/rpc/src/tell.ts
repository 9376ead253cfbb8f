/** Tells a listener. What it throws becomes a warning of the process: a fault in a log must not become one of the call. */
export function tell<T>(listener: ((told: T) => void) | undefined, told: T): void {
  try {
    listener?.(told);
  } catch (error) {
    process.emitWarning(error instanceof Error ? error : new Error(String(error)));
  }
}
