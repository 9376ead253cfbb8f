import type { Peer } from "./peer.ts";

/** Each process loads one of them alone. */
const peers = {
  "grpc-js": async () => (await import("./peers/grpc-js.ts")).grpcJs,
  shoal: async () => (await import("./peers/shoal.ts")).shoal,
  "nice-grpc": async () => (await import("./peers/nice-grpc.ts")).niceGrpc,
  "connect-node": async () => (await import("./peers/connect-node.ts")).connectNode,
  nestjs: async () => (await import("./peers/nestjs.ts")).nestjs,
} satisfies Record<string, () => Promise<Peer>>;

/** The name of a stack. */
export type PeerName = keyof typeof peers;

/** What the others are compared with. */
export const baselinePeer: PeerName = "grpc-js";

/** All stacks, the baseline first. */
export const peerNames = Object.keys(peers) as readonly PeerName[];

/** Loads a stack. Throws an `Error` for a name that it does not know. */
export async function loadPeer(name: string): Promise<Peer> {
  if (!Object.hasOwn(peers, name)) throw new Error(`there is no peer "${name}"`);
  return peers[name as PeerName]();
}
