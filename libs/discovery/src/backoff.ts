/**
 * How long to wait before the next attempt, in milliseconds: twice as long after each of `failures` (from 1), from `minMs`
 * up to `maxMs`, of which a random half is taken off, so that those who failed together do not return together.
 */
export function backoffMs(failures: number, minMs: number, maxMs: number, random: () => number = Math.random): number {
  const whole = Math.min(maxMs, minMs * 2 ** Math.min(failures - 1, 30));
  return whole * (1 - random() / 2);
}
