import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { getHeapSnapshot } from "node:v8";
import { activeHandles, cpuProfile, heapProfile, type Logger, ProfilerBusyError } from "@shoal/telemetry";

/** What whoever may look into the process is shown. */
export interface DebugOptions {
  /** What callers must send. Empty: nobody may. */
  readonly token: string;
  readonly log: Logger;
  /** Who has something now, and for how long: connections, tasks. Answered as JSON. */
  readonly inUse: () => unknown;
}

/** The longest profile, in seconds, and how long one is if nobody says. */
const maxSeconds = 300;
const defaultSeconds = 10;

const levels = ["trace", "debug", "info", "warn", "error", "fatal"];

const usage = `GET /debug/cpu?seconds=${defaultSeconds}      a .cpuprofile
GET /debug/heap              a .heapsnapshot (stops the process for a while)
GET /debug/allocations?seconds=${defaultSeconds}  a .heapprofile
GET /debug/handles           what keeps the process alive, and what is in use for how long
PUT /debug/log-level/LEVEL   ${levels.join(", ")}`;

/**
 * Answers `/debug/…`, to those who send the token as `authorization: Bearer TOKEN`: profiles that DevTools opens, handles, and
 * the log's level. See `usage`.
 */
export function debugEndpoints(options: DebugOptions) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const answer = (status: number, body: string, type = "text/plain; charset=utf-8") =>
      void response.writeHead(status, { "content-type": type }).end(`${body}\n`);
    if (options.token === "") return answer(403, "off: start the service with SHOAL_<NAME>_ADMIN_TOKEN to use this");
    if (!isSame(request.headers.authorization ?? "", `Bearer ${options.token}`))
      return answer(401, "send the service's SHOAL_<NAME>_ADMIN_TOKEN as authorization: Bearer TOKEN");
    const url = new URL(request.url ?? "", "http://admin");
    const [, , what = "", level = ""] = url.pathname.split("/");
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    try {
      switch (`${request.method} ${what}`) {
        case "GET cpu":
          return file(response, "cpuprofile", await cpuProfile(durationMs(url), gone.signal));
        case "GET allocations":
          return file(response, "heapprofile", await heapProfile(durationMs(url), gone.signal));
        case "GET heap":
          response.writeHead(200, headersOf("heapsnapshot"));
          return await pipeline(getHeapSnapshot(), response);
        case "GET handles":
          return answer(200, JSON.stringify({ handles: activeHandles(), inUse: options.inUse() }), "application/json");
        case "PUT log-level":
          if (!levels.includes(level)) return answer(400, `there are the levels ${levels.join(", ")}`);
          options.log.level = level;
          return answer(200, `the log's level is ${level} now, until the service ends`);
        default:
          return answer(404, usage);
      }
    } catch (error) {
      if (gone.signal.aborted) return;
      const status = error instanceof ProfilerBusyError ? 409 : error instanceof RangeError ? 400 : 500;
      answer(status, error instanceof Error ? error.message : String(error));
    }
  };
}

function durationMs(url: URL): number {
  const seconds = Number(url.searchParams.get("seconds") ?? defaultSeconds);
  if (seconds > 0 && seconds <= maxSeconds) return seconds * 1_000;
  throw new RangeError(`seconds must be a number above 0 and up to ${maxSeconds}`);
}

function headersOf(extension: string) {
  const name = `${new Date().toISOString().replaceAll(/[:.]/g, "-")}.${extension}`;
  return { "content-type": "application/json", "content-disposition": `attachment; filename="${name}"` };
}

function file(response: ServerResponse, extension: string, content: string): void {
  response.writeHead(200, headersOf(extension)).end(content);
}

/** Takes as long for a wrong token as for a nearly right one. */
function isSame(given: string, wanted: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(wanted)];
  return one.length === other.length && timingSafeEqual(one, other);
}
