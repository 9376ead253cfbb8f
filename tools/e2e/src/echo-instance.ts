// An instance of a service `echo`, as a process of its own: every answer holds its process id. Not to be imported.
import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { implement } from "@shoal/rpc";
import { runService, serviceSettings } from "@shoal/runtime";

const parcel = { name: String(process.pid) };

const echo = implement(EchoService, {
  echo: async () => ({ parcel }),
  echoAgain: async () => ({ parcel }),
  collect: async () => ({}),
  repeat: async function* () {
    yield { parcel };
  },
  converse: async function* () {
    yield { parcel };
  },
});

await runService({ name: "echo", build: async () => ({ services: [echo] }) }, serviceSettings("echo", 0));
