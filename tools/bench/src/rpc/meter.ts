import { GCProfiler, getHeapStatistics } from "node:v8";

/** What a process has used up in a time. */
export interface Usage {
  /** User and system time of all its threads. */
  readonly cpuMicros: number;
  /** Allocated in JavaScript's heap; memory outside it, such as that of Buffers and of HTTP/2, is not in it. */
  readonly allocatedBytes: number;
}

/** Counts what this process uses up from now on, until the function that it answers is called. */
export function startMeter(): () => Usage {
  const collections = new GCProfiler();
  collections.start();
  const heapBefore = getHeapStatistics().used_heap_size;
  const cpuBefore = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(cpuBefore);
    const heapAfter = getHeapStatistics().used_heap_size;
    const sizes = (collections.stop()?.statistics ?? []).map(({ beforeGC, afterGC }) => ({
      before: beforeGC.heapStatistics.usedHeapSize,
      after: afterGC.heapStatistics.usedHeapSize,
    }));
    return { cpuMicros: user + system, allocatedBytes: allocated(heapBefore, sizes, heapAfter) };
  };
}

/** The heap's size around a garbage collection. */
export interface Collection {
  readonly before: number;
  readonly after: number;
}

/** What was allocated: the heap only grows between two garbage collections, so all it grew by between them. */
export function allocated(heapBefore: number, collections: readonly Collection[], heapAfter: number): number {
  let total = 0;
  let size = heapBefore;
  for (const { before, after } of collections) {
    total += before - size;
    size = after;
  }
  return total + heapAfter - size;
}
