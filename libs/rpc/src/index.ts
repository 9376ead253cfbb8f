export { Metadata } from "@grpc/grpc-js";
export type { Balancing, BalancingSettings } from "./client/balancing.ts";
export {
  type Client,
  type ClientBulkhead,
  type ClientCallEnd,
  type ClientFallbacks,
  type ClientMiddleware,
  type ClientOptions,
  createClient,
  defaultClientOptions,
} from "./client/client.ts";
export type { CallOptions, ClientContext } from "./client/client-call.ts";
export { type ClientTelemetry, clientTelemetry } from "./client/client-telemetry.ts";
export type { Fallbacks } from "./client/fallbacks.ts";
export type { OnResilienceEvent, ResilienceEvent } from "./client/resilience-events.ts";
export { errorOf, serverDraining, statusOf } from "./errors.ts";
export { LivePolicies, type LivePolicy } from "./live-policies.ts";
export { sendableMetadata } from "./metadata.ts";
export { type ContextKey, type ContextValues, contextKey, type Layer, type Middleware } from "./middleware.ts";
export { notWritten } from "./not-written.ts";
export { type Cursor, cutPage, decodePageToken } from "./page-token.ts";
export {
  type BreakerPolicy,
  defaultMethodPolicy,
  type HedgingPolicy,
  type MethodPolicy,
  type PolicyOverrides,
  parsePolicies,
  type RateLimitPolicy,
  type RetryPolicy,
} from "./policy.ts";
export { decodeResumeToken, encodeResumeToken, resumeTokenExpired } from "./resume-token.ts";
export type { OnRefused } from "./server/early-refusal.ts";
export {
  type HandlerContext,
  implement,
  type Peer,
  type PeerCertificate,
  type ServiceHandlers,
} from "./server/handlers.ts";
export { createHealth, type Health } from "./server/health.ts";
export type { ListenAddress } from "./server/listen.ts";
export type { CallEnd } from "./server/serve-call.ts";
export { createServer, defaultServerOptions, type RpcServer, type ServerOptions } from "./server/server.ts";
export { type ServerLayerOptions, type ServerMiddleware, serverLayers } from "./server/server-layers.ts";
export { serverTelemetry } from "./server/server-telemetry.ts";
export { type ClientTls, defaultTlsReload, type ServerTls } from "./tls.ts";
export { upstreamError } from "./upstream-error.ts";
export { requireValid } from "./validation.ts";
