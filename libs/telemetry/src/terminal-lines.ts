import { createRequire } from "node:module";
import type { DestinationStream } from "pino";
import type { PinoPretty } from "pino-pretty";

/**
 * Where lines of the log go that somebody reads as they come: to standard output, each with the time of day, the level, the
 * service and what it says first, and its other fields behind that; in colours unless NO_COLOR is set. Nobody needs to close it.
 */
export function terminalLines(): DestinationStream {
  // Loaded only where there is a terminal.
  const pretty: typeof PinoPretty = createRequire(import.meta.url)("pino-pretty");
  return pretty({
    sync: true,
    singleLine: true,
    translateTime: "SYS:HH:MM:ss.l",
    ignore: "service",
    messageFormat: "{service}: {msg}",
  });
}
