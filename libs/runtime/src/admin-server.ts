import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { prometheusContentType } from "@shoal/telemetry";
import { type DebugOptions, debugEndpoints } from "./debug-endpoints.ts";

/** The HTTP endpoint for whoever operates the service. */
export interface AdminServer {
  readonly port: number;
  /** What `/metrics` answers from now on: text for Prometheus. */
  setMetrics(expose: () => Promise<string>): void;
  /** What `/readyz` answers from now on. */
  setReady(ready: boolean): void;
  /** Ends it, open connections included. */
  close(): Promise<void>;
}

/**
 * Answers `/healthz` (200 while the process lives), `/readyz` (200 while it takes calls, 503 before and after) and `/metrics`
 * (for Prometheus; 503 until there are some), and `/debug/…` ({@link debugEndpoints}), on `host` and `port` (0: the system
 * chooses). Rejects with the system's error when it cannot listen.
 */
export async function startAdminServer(host: string, port: number, debug: DebugOptions): Promise<AdminServer> {
  let ready = false;
  const answerDebug = debugEndpoints(debug);
  let expose: (() => Promise<string>) | undefined;
  const server = createServer(async (request, response) => {
    const path = request.url?.split("?", 1)[0];
    const answer = (status: number, text: string, type = "text/plain; charset=utf-8") =>
      response.writeHead(status, { "content-type": type }).end(`${text}\n`);
    if (path?.startsWith("/debug")) await answerDebug(request, response);
    else if (request.method !== "GET" && request.method !== "HEAD") answer(405, "only GET and HEAD are answered");
    else if (path === "/healthz") answer(200, "ok");
    else if (path === "/readyz") answer(ready ? 200 : 503, ready ? "ready" : "not ready");
    else if (path === "/metrics" && expose === undefined)
      answer(503, "no metrics: the service has just begun, or SHOAL_<NAME>_TELEMETRY is off");
    else if (path === "/metrics" && expose !== undefined) {
      try {
        answer(200, (await expose()).trimEnd(), prometheusContentType);
      } catch (error) {
        answer(500, `the metrics cannot be read: ${error instanceof Error ? error.message : String(error)}`);
      }
    } else answer(404, "there are /healthz, /readyz, /metrics and /debug");
  });
  server.listen(port, host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    setMetrics: (value) => {
      expose = value;
    },
    setReady: (value) => {
      ready = value;
    },
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
