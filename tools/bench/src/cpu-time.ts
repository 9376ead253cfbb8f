import { cpus } from "node:os";

/** CPU time of the whole machine, in milliseconds, since it was started. */
export interface MachineTime {
  readonly busy: number;
  readonly total: number;
}

/** Reads the machine's CPU time, of all its cores together; exact to about 10 ms a core. */
export function machineTime(): MachineTime {
  let total = 0;
  let idle = 0;
  for (const { times } of cpus()) {
    total += times.user + times.nice + times.sys + times.idle + times.irq;
    idle += times.idle;
  }
  return { busy: total - idle, total };
}

/**
 * The part of the machine, 0 to 1, that others have taken between two readings: what was busy beside the `ownMs` of
 * those that are measured.
 */
export function takenByOthers(before: MachineTime, after: MachineTime, ownMs: number): number {
  const total = after.total - before.total;
  return total > 0 ? Math.max(0, after.busy - before.busy - ownMs) / total : 0;
}
