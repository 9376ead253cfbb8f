import { readFileSync } from "node:fs";

/**
 * User and system time of a process, all its threads, since it was started, in microseconds; exact to 10 ms. `undefined`
 * where the system does not tell (`/proc`), and when there is no such process.
 */
export function processCpuMicros(pid: number): number | undefined {
  try {
    return cpuMicrosIn(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return undefined;
  }
}

/** Linux tells times in hundredths of a second, whatever its own clock's ticks are. */
const microsInTick = 10_000;

/** The same in the text of `/proc/<pid>/stat` (proc_pid_stat(5)): fields 14 and 15. */
export function cpuMicrosIn(stat: string): number {
  // The name, in brackets, may hold blanks and brackets. What follows the last one begins with field 3.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * microsInTick;
}
