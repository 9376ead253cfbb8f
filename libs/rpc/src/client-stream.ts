import { type Channel, type experimental, type Metadata, type StatusObject, status } from "@grpc/grpc-js";
import { breakOffWhenCancelled, isMidAnswer } from "./grpc-js-internals.ts";

/** gRPC's write flag for a message that is not to be compressed. */
const noCompress = 2;

/** Compressing fewer bytes than these costs more than it saves. */
const worthCompressing = 1_024;

/** What a call is begun with. */
export interface ClientStreamInit {
  readonly path: string;
  /** Milliseconds since the epoch, `Infinity` for none. */
  readonly deadline: number;
  readonly metadata: Metadata;
  /** Whether there may be any number of requests. */
  readonly requestStream: boolean;
  /** Whether messages are compressed, on a channel that can. */
  readonly compress: boolean;
  /** Called once, before the first answer; not at all for a call that fails without answers. */
  readonly onHeaders: ((headers: Metadata) => void) | undefined;
}

/**
 * One call as messages in bytes: grpc-js's own call, with reads and writes that can be awaited. It leaves out the Node
 * streams and the captured stack that grpc-js's `Client` adds to each call. States: open → ended with a status.
 */
export class ClientStream {
  readonly #wire: experimental.CallStream;
  readonly #compress: boolean;
  readonly #received: Buffer[] = [];
  #status: StatusObject | undefined;
  #reading = false;
  #reader: ((bytes: Buffer | undefined) => void) | undefined;
  #onWritten: (() => void) | undefined;
  #onStatus: ((status: StatusObject) => void) | undefined;

  constructor(channel: Channel, { path, deadline, metadata, requestStream, compress, onHeaders }: ClientStreamInit) {
    this.#compress = compress;
    this.#wire = channel.createCall(path, deadline, null, null, null);
    if (requestStream) breakOffWhenCancelled(this.#wire);
    this.#wire.start(metadata, {
      onReceiveMetadata: (headers) => onHeaders?.(headers),
      onReceiveMessage: (bytes: Buffer) => {
        this.#reading = false;
        const reader = this.#reader;
        this.#reader = undefined;
        if (reader === undefined) this.#received.push(bytes);
        else reader(bytes);
      },
      onReceiveStatus: (received) => {
        const end = withCode(received);
        this.#status = end;
        this.#reader?.(undefined);
        this.#onWritten?.();
        this.#onStatus?.(end);
      },
    });
  }

  /** The next answer's bytes, or `undefined` once the call has ended. One read at a time. */
  read(): Promise<Buffer | undefined> {
    const received = this.#received.shift();
    if (received !== undefined || this.#status !== undefined) return Promise.resolve(received);
    return new Promise((resolve) => {
      this.#reader = resolve;
      this.startRead();
    });
  }

  /** Lets one more answer in, before anybody asks for it. */
  startRead(): void {
    if (this.#reading) return;
    this.#reading = true;
    this.#wire.startRead();
  }

  /** Sends a message; resolves when there is room for another, or the call has ended. One write at a time. */
  write(bytes: Buffer): Promise<void> {
    return new Promise((resolve) => {
      if (this.#status !== undefined) return resolve();
      const done = () => {
        this.#onWritten = undefined;
        resolve();
      };
      this.#onWritten = done;
      this.#send(bytes, done);
    });
  }

  /** Sends the one message that there is, and that there are no more. */
  writeLast(bytes: Buffer): void {
    this.#send(bytes, undefined);
    this.end();
  }

  /** Says that there are no more messages. */
  end(): void {
    this.#wire.halfClose();
  }

  /** Ends the call, unless it has ended. */
  cancel(why: string): void {
    if (this.#status === undefined) this.#wire.cancelWithStatus(status.CANCELLED, why);
  }

  /** Ends the call, unless it has ended, because of what the server sends. */
  refuse(why: string): void {
    if (this.#status === undefined) this.#wire.cancelWithStatus(status.INTERNAL, why);
  }

  /** Whether the answers of the call, which has ended, end in the midst of one. */
  get truncated(): boolean {
    return isMidAnswer(this.#wire);
  }

  get ended(): boolean {
    return this.#status !== undefined;
  }

  /** The status that the call has ended with, once it has. Asked for once. */
  status(): Promise<StatusObject> {
    return new Promise((resolve) => {
      if (this.#status !== undefined) resolve(this.#status);
      else this.#onStatus = resolve;
    });
  }

  #send(bytes: Buffer, callback: (() => void) | undefined): void {
    const flags = this.#compress && bytes.length >= worthCompressing ? 0 : noCompress;
    this.#wire.sendMessageWithContext(callback === undefined ? { flags } : { flags, callback }, bytes);
  }
}

/** grpc-js ends a call without a code when an answer is compressed and it knows no such encoding. */
function withCode(end: Partial<StatusObject> & Pick<StatusObject, "metadata">): StatusObject {
  const { code = status.INTERNAL, details = "an answer is compressed in a way that is not known", metadata } = end;
  return { code, details, metadata };
}
