import type { IncomingMessage, ServerResponse } from "node:http";
import { type FaultRule, parseFaultRules } from "./fault-rules.ts";

/** What the control endpoint controls. */
export interface FaultSwitch {
  readonly faults: readonly FaultRule[];
  readonly struck: number;
  setFaults(rules: readonly FaultRule[]): void;
}

/** More than this is no list of rules, in bytes. */
const maxBody = 1_000_000;

/**
 * Answers `GET /faults` with the rules and `PUT /faults` by setting them: JSON, a list of rules; and `GET /struck` with how
 * many calls and connections faults have befallen. What cannot be done is answered with 400, 404, 405 or 413 and `{ "error": … }`, and changes nothing.
 */
export async function answerControl(
  { faults, struck, setFaults }: FaultSwitch,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const answer = (status: number, body: unknown) => {
    response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
  };
  if (request.url === "/struck" && request.method === "GET") return answer(200, struck);
  if (request.url !== "/faults")
    return answer(404, { error: `there are /faults and GET /struck here, not ${request.method} ${request.url}` });
  if (request.method === "GET") return answer(200, faults);
  if (request.method !== "PUT") {
    response.setHeader("allow", "GET, PUT");
    return answer(405, { error: `/faults takes GET and PUT, not ${request.method}` });
  }
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) {
    body += chunk;
    if (body.length > maxBody) return answer(413, { error: `faults must be no more than ${maxBody} characters` });
  }
  try {
    const rules = parseFaultRules(parseJson(body));
    setFaults(rules);
    answer(200, rules);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    answer(400, { error: error.message });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new RangeError(`faults must be JSON: ${(error as Error).message}`);
  }
}
