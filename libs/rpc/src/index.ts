export { type Client, type ClientOptions, createClient, defaultClientOptions } from "./client.ts";
export { serverDraining, statusOf } from "./errors.ts";
export { type HandlerContext, implement, type ServiceHandlers } from "./handlers.ts";
export { createHealth, type Health } from "./health.ts";
export { type Cursor, cutPage, decodePageToken } from "./page-token.ts";
export {
  defaultMethodPolicy,
  type HedgingPolicy,
  type MethodPolicy,
  type PolicyOverrides,
  type RetryPolicy,
} from "./policy.ts";
export { type CallEnd, createServer, defaultServerOptions, type RpcServer, type ServerOptions } from "./server.ts";
export { requireValid } from "./validation.ts";
