/** A stack's server: answers what it was sent. */
export interface PeerServer {
  readonly port: number;
}

/** A stack's client, over one connection. */
export interface PeerClient {
  /**
   * Sends a parcel of this name (see workload.ts) and answers the name in the parcel that came back. Makes the request
   * anew, as callers do.
   */
  echo(name: string): Promise<string | undefined>;
  /** Runs one caller's calls, one after another, in what surrounds a caller in this stack; nothing unless given. */
  around?(calls: () => Promise<void>): Promise<void>;
}

/** A stack that is compared with the others. */
export interface Peer {
  serve(): Promise<PeerServer>;
  connect(port: number): Promise<PeerClient>;
}
