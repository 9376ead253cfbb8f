import type { ClientHttp2Session } from "node:http2";
import type { experimental } from "@grpc/grpc-js";

// What grpc-js has no API for. It leans on private members of its exact, pinned version; tests of the pools of connections
// fail when they go.

/** The HTTP/2 session of a subchannel that is READY. */
function sessionOf(subchannel: experimental.SubchannelInterface): ClientHttp2Session | undefined {
  const real = subchannel.getRealSubchannel() as unknown as { transport: { session: ClientHttp2Session } | null };
  return real.transport?.session;
}

/** How many streams its peer allows at once on a subchannel's connection, as it says now. */
export function streamLimitOf(subchannel: experimental.SubchannelInterface): number {
  return sessionOf(subchannel)?.remoteSettings?.maxConcurrentStreams ?? Number.POSITIVE_INFINITY;
}

/** Calls `onChange` whenever the peer of a subchannel's connection changes its settings, until the answered function is called. */
export function onPeerSettings(subchannel: experimental.SubchannelInterface, onChange: () => void): () => void {
  const session = sessionOf(subchannel);
  session?.on("remoteSettings", onChange);
  return () => session?.off("remoteSettings", onChange);
}
