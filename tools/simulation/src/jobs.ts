import { AppError } from "@shoal/kernel";
import type { Draw } from "./draw.ts";
import type { Life, Scheduler } from "./scheduler.ts";

/** Work that a process repeats, each time after a pause. */
export interface Job {
  readonly name: string;
  /** Milliseconds, on average. */
  readonly intervalMs: number;
  run(): Promise<unknown>;
}

/** Repeats a job for as long as its process lives. `onFault` is told of what it fails with that is no `AppError`. */
export function repeatJob(
  {
    scheduler,
    draw,
    unhurried,
  }: { readonly scheduler: Scheduler; readonly draw: Draw; readonly unhurried: () => number },
  life: Life,
  { name, intervalMs, run }: Job,
  onFault: (error: unknown, where: string) => void,
): void {
  const rest = () => scheduler.after(intervalMs * unhurried() * draw.between(0.5, 1.5), name, once, life);
  const once = () => {
    run()
      .catch((error: unknown) => {
        if (!(error instanceof AppError)) onFault(error, name);
      })
      .finally(rest);
  };
  rest();
}
