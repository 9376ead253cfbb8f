import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Launched } from "@shoal/launcher";
import type { ReadyMessage } from "@shoal/runtime";
import { repositoryRoot } from "@shoal/services";
import type { Clients } from "./bad-call.ts";
import { clientsAt } from "./stack.ts";

/** A gateway that runs, and a client of each service through it. */
export interface RunningGateway {
  readonly clients: Clients;
  /** What `/metrics` of its admin port answers. */
  metrics(): Promise<string>;
  /** Stops it before the test ends; answers its exit code. */
  stop(): Promise<number | null>;
}

/** Starts a gateway before the services of a stack, on free ports, with `env` besides. It is stopped after the test at the latest. */
export async function startGateway(
  t: TestContext,
  { registryUrl }: Pick<Launched, "registryUrl">,
  env: Readonly<Record<string, string>>,
): Promise<RunningGateway> {
  const child = fork(join(repositoryRoot, "apps/gateway/src/main.ts"), [], {
    execArgv: [],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    env: {
      ...process.env,
      SHOAL_GATEWAY_GRPC_PORT: "0",
      SHOAL_GATEWAY_ADMIN_PORT: "0",
      SHOAL_GATEWAY_REGISTRY: registryUrl,
      ...env,
    },
  });
  const exited = once(child, "exit") as Promise<[number | null]>;
  t.after(() => child.kill("SIGKILL"));
  const ended = exited.then(([code]) => Promise.reject(new Error(`the gateway ended with ${code}`)));
  const [{ grpcPort, adminPort }] = (await Promise.race([once(child, "message"), ended])) as [ReadyMessage];
  ended.catch(() => {});
  const clients = clientsAt(() => `127.0.0.1:${grpcPort}`);
  const disposeClients = () => {
    for (const client of Object.values(clients)) client[Symbol.dispose]();
  };
  t.after(disposeClients);
  return {
    clients,
    metrics: async () => (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text(),
    stop: async () => {
      disposeClients();
      child.kill("SIGTERM");
      return (await exited)[0];
    },
  };
}
