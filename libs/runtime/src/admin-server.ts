import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** The HTTP endpoint for whoever operates the service. */
export interface AdminServer {
  readonly port: number;
  /** What `/readyz` answers from now on. */
  setReady(ready: boolean): void;
  /** Ends it, open connections included. */
  close(): Promise<void>;
}

/**
 * Answers `/healthz` (200 while the process lives) and `/readyz` (200 while it takes calls, 503 before and after) on
 * `host` and `port` (0: the system chooses). Rejects with the system's error when it cannot listen.
 */
export async function startAdminServer(host: string, port: number): Promise<AdminServer> {
  let ready = false;
  const server = createServer((request, response) => {
    const path = request.url?.split("?", 1)[0];
    const answer = (status: number, text: string) =>
      response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(`${text}\n`);
    if (request.method !== "GET" && request.method !== "HEAD") answer(405, "only GET and HEAD are answered");
    else if (path === "/healthz") answer(200, "ok");
    else if (path === "/readyz") answer(ready ? 200 : 503, ready ? "ready" : "not ready");
    else answer(404, "there are /healthz and /readyz");
  });
  server.listen(port, host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
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
