import { type Channel, type experimental, type Metadata, type StatusObject, status } from "@grpc/grpc-js";
import { AppError } from "@shoal/kernel";
import { breakOffWhenCancelled, isMidAnswer } from "../grpc-js-internals.ts";

/** gRPC's write flag for a message that is not to be compressed. */
const noCompress = 2;

/** Compressing fewer bytes than these costs more than it saves. */
const worthCompressing = 1_024;

type Listener = Parameters<experimental.CallStream["start"]>[1];

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
  /** Whether the method gives one answer: it comes with the end, and a second one is refused. */
  readonly single: boolean;
  /** Called once, before the first answer; not at all for a call that fails without answers. */
  onHeaders(headers: Metadata): void;
  /** Called once, when the call has ended, with the answer of a `single` one; never from within the constructor. */
  onEnd(end: StatusObject, answer: Buffer | undefined): void;
}

/**
 * One call as messages in bytes: grpc-js's own call, with reads and writes that can be awaited. It leaves out the Node
 * streams and the captured stack that grpc-js's `Client` adds to each call. States: open → ended with a status.
 */
export class ClientStream implements Listener {
  readonly #wire: experimental.CallStream;
  readonly #init: ClientStreamInit;
  #answer: Buffer | undefined;
  #reader: ((bytes: Buffer | undefined) => void) | undefined;
  #onWritten: (() => void) | undefined;
  ended = false;
  /** How long the messages were so far, before they are compressed. */
  sentBytes = 0;
  receivedBytes = 0;

  constructor(channel: Channel, init: ClientStreamInit) {
    this.#init = init;
    this.#wire = createCall(channel, init);
    if (init.requestStream) breakOffWhenCancelled(this.#wire);
    this.#wire.start(init.metadata, this);
    if (init.single) this.#wire.startRead();
  }

  onReceiveMetadata(headers: Metadata): void {
    this.#init.onHeaders(headers);
  }

  onReceiveMessage(bytes: Buffer): void {
    this.receivedBytes += bytes.length;
    if (!this.#init.single) this.#deliver(bytes);
    else if (this.#answer !== undefined) this.#refuse("the method gives one answer; there came a second one");
    else {
      this.#answer = bytes;
      // Lets the status in; whatever comes before it is one answer too many.
      this.#wire.startRead();
    }
  }

  onReceiveStatus(end: StatusObject): void {
    this.ended = true;
    this.#deliver(undefined);
    this.#onWritten?.();
    this.#init.onEnd(withCode(end), this.#answer);
  }

  /** The next answer's bytes, or `undefined` once the call has ended. One read at a time; not for a `single` one. */
  read(): Promise<Buffer | undefined> {
    if (this.ended) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#reader = resolve;
      this.#wire.startRead();
    });
  }

  /** Sends a message; resolves when there is room for another, or the call has ended. One write at a time. */
  write(bytes: Buffer): Promise<void> {
    return new Promise((resolve) => {
      if (this.ended) return resolve();
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
    if (this.ended) return;
    this.#wire.cancelWithStatus(status.CANCELLED, why);
    // A call that has just been made is not with its connection yet: grpc-js tells its caller that it is cancelled, and
    // sends it all the same, in a moment. It takes a second word to end it there.
    setImmediate(() => this.#wire.cancelWithStatus(status.CANCELLED, why));
  }

  /** Whether the answers of the call, which has ended, end in the midst of one. */
  get truncated(): boolean {
    return isMidAnswer(this.#wire);
  }

  /** Because of what the server sends. */
  #refuse(why: string): void {
    this.#wire.cancelWithStatus(status.INTERNAL, why);
  }

  #deliver(bytes: Buffer | undefined): void {
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.(bytes);
  }

  #send(bytes: Buffer, callback: (() => void) | undefined): void {
    this.sentBytes += bytes.length;
    const flags = this.#init.compress && bytes.length >= worthCompressing ? 0 : noCompress;
    this.#wire.sendMessageWithContext(callback === undefined ? { flags } : { flags, callback }, bytes);
  }
}

/** grpc-js throws an error of its own only for a channel that is closed. */
function createCall(channel: Channel, { path, deadline }: ClientStreamInit): experimental.CallStream {
  try {
    return channel.createCall(path, deadline, null, null, null);
  } catch (cause) {
    const message = "the client has been disposed of; make the call before that, or with another client";
    throw new AppError({ kind: "unavailable", reason: "CLIENT_CLOSED", domain: "shoal.rpc", message, cause });
  }
}

/** grpc-js ends a call without a code when an answer is compressed and it knows no such encoding. */
function withCode(end: Partial<StatusObject> & Pick<StatusObject, "metadata">): StatusObject {
  const { code = status.INTERNAL, details = "an answer is compressed in a way that is not known", metadata } = end;
  return { code, details, metadata };
}
