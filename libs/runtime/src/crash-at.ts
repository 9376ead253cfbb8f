import { writeSync } from "node:fs";
import { type CrashPoint, crashPoints, onCrashPoint } from "@shoal/kernel";
import { createLogger, type Logger } from "@shoal/telemetry";

/** When a process is to end itself as a crash would: when it comes to `point` for the `nth` time. */
export interface CrashAt {
  readonly point: CrashPoint;
  readonly nth: number;
}

/** Reads `none`, `POINT` or `POINT:NTH`; throws an `Error` that says what there is. */
export function parseCrashAt(text: string): CrashAt | undefined {
  if (text === "none") return undefined;
  const [, point = "", nth = "1"] = /^([a-z-]+)(?::([1-9]\d{0,5}))?$/.exec(text) ?? [];
  if (isPoint(point)) return { point, nth: Number(nth) };
  throw new Error(`must be none, or POINT or POINT:NTH with one of ${Object.keys(crashPoints).join(", ")}`);
}

function isPoint(point: string): point is CrashPoint {
  return Object.hasOwn(crashPoints, point);
}

/** Has the process of a service kill itself with SIGKILL when it comes to the point, and say so in its log, now and then. */
export function armCrash({ point, nth }: CrashAt, service: string, log: Logger): void {
  log.warn({ point, nth }, `armed: at the crash point ${point} (${crashPoints[point]}) this process kills itself`);
  const crash = () => {
    // Not by `log`, which hands its lines to a thread.
    const lastWords = createLogger(service, "fatal", { write: (line) => writeSync(process.stdout.fd, line) });
    lastWords.fatal({ point, nth }, `the crash point ${point} is reached`);
    process.kill(process.pid, "SIGKILL");
  };
  let times = 0;
  onCrashPoint((reached) => {
    if (reached !== point) return;
    times += 1;
    if (times !== nth) return;
    // The frames of an answer that has ended go to the socket within two turns of the event loop.
    if (point === "after-reply") setImmediate(() => setImmediate(crash));
    else crash();
  });
}
