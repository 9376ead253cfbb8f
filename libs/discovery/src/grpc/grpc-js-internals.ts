import type { ClientHttp2Session } from "node:http2";
import type { experimental } from "@grpc/grpc-js";

// What grpc-js has no API for. It leans on private members of its exact, pinned version; tests of the pools of connections
// fail when they go.

/** The HTTP/2 session of a subchannel that is READY. */
function sessionOf(subchannel: experimental.SubchannelInterface): ClientHttp2Session | undefined {
  const real = subchannel.getRealSubchannel() as unknown as { transport: { session: ClientHttp2Session } | null };
  return real.transport?.session;
}

/**
 * How many streams its peer allows at once on a subchannel's connection, as it says now. That it says another number is told
 * to nobody: grpc-js takes all listeners off a new session, and with them the one by which Node knows who listens for settings.
 */
export function streamLimitOf(subchannel: experimental.SubchannelInterface): number {
  return sessionOf(subchannel)?.remoteSettings?.maxConcurrentStreams ?? Number.POSITIVE_INFINITY;
}
