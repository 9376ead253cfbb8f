/**
 * Calls the listener once, when the process that started this one over an IPC channel (`bootstrap.mjs`) is gone,
 * however it went: SIGKILL included. Never called when there is no such channel. Does not keep this process alive.
 */
export function onParentGone(listener: () => void): void {
  if (process.channel === undefined || process.channel === null) return;
  process.once("disconnect", listener);
  process.channel.unref();
}
