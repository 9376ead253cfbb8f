import { Broadcast } from "@shoal/concurrency";
import {
  Health as HealthService,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "@shoal/contracts/grpc/health/v1/health";
import { AppError } from "@shoal/kernel";
import { implement, type ServiceImplementation } from "./handlers.ts";

/** Changes of status that a watcher may be behind; a server has few. */
const watchQueueLimit = 16;

/** What grpc.health.v1 answers for a server. */
export interface Health {
  /** The service to hand to the server. */
  readonly implementation: ServiceImplementation;
  /** Sets the status of the whole server (the empty name) and of every service; watchers are told at once. */
  set(serving: boolean): void;
}

/** Health for the named services: NOT_SERVING until told otherwise. */
export function createHealth(services: readonly string[]): Health {
  const names = new Set(["", ...services]);
  let status = ServingStatus.NOT_SERVING;
  const changes = new Broadcast<ServingStatus>(watchQueueLimit);
  return {
    implementation: implement(HealthService, {
      check: async ({ service }) => {
        if (!names.has(service)) throw unknownService(service);
        return { status };
      },
      list: async () => ({ statuses: Object.fromEntries([...names].map((name) => [name, { status }])) }),
      // A server that drains says so, and then ends the watch, which would keep it from ending.
      watch: async function* ({ service }, { signal, draining }) {
        const known = names.has(service);
        const changed = changes.subscribe(() => known, AbortSignal.any([signal, draining]));
        let told = known ? status : ServingStatus.SERVICE_UNKNOWN;
        yield { status: told };
        for await (const next of changed) {
          told = next;
          yield { status: told };
        }
        if (known && draining.aborted && told !== status) yield { status };
      },
    }),
    set: (serving) => {
      const next = serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
      if (next === status) return;
      status = next;
      changes.publish(status);
    },
  };
}

function unknownService(name: string): AppError {
  return new AppError({
    kind: "missing",
    reason: "SERVICE_UNKNOWN",
    domain: "shoal.rpc",
    message: `this server has no service ${name}`,
    resource: { type: "grpc.Service", name },
  });
}
