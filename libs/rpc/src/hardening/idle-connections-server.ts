import { EchoService } from "@shoal/contracts/echo/v1/echo_service";
import { implement } from "../server/handlers.ts";
import { createServer } from "../server/server.ts";
import { echoing } from "./tested-server.ts";

// A process of its own for idle-connections.int.test.ts: tells its port, and how much memory it holds whenever it is asked.

const server = createServer({ services: [implement(EchoService, echoing)], errorDomain: "shoal.test" });
process.on("message", () => process.send?.({ rss: process.memoryUsage().rss }));
process.on("disconnect", () => process.exit());
process.send?.({ port: await server.listen({ host: "127.0.0.1", port: 0 }) });
