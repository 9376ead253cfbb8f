import type { Counts } from "./counts.ts";
import type { CrashResult } from "./run.ts";

/** Violations that are printed; more would only repeat them. */
const maxViolations = 30;

/** The figures of a run, and what must not be. */
export function formatResult(result: CrashResult): string {
  const { crashes, seconds, orders, ends, refused, users, retries, resumed, violations } = result;
  const listed = ({ all }: Counts) => all.map(([what, count]) => `${String(count).padStart(8)}  ${what}`);
  const more = violations.length - maxViolations;
  return [
    `${crashes.total} crashes in ${seconds.toFixed(0)} s`,
    ...listed(crashes),
    `${orders} orders acknowledged: ${ends.confirmed} confirmed, ${ends.cancelled} cancelled, ${ends.other} left to expire`,
    `${refused} wishes refused for want of stock; ${users} users created; watches resumed ${resumed} times`,
    `${retries.total} calls made again`,
    ...listed(retries),
    `${violations.length} violations`,
    ...violations.slice(0, maxViolations).map((violation) => `    ${violation}`),
    ...(more > 0 ? [`    and ${more} more`] : []),
  ].join("\n");
}
