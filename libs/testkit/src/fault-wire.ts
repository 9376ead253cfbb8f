import type { Socket } from "node:net";
import { Duplex } from "node:stream";

/**
 * A TCP connection that can fall silent: then nothing that comes is read and nothing is sent, PING and its answer included,
 * as when the peer's machine or process hangs. What came meanwhile goes on when it is over, as TCP has it.
 *
 * States: passing ⇄ silent; either → closed, with the socket.
 */
export class FaultWire extends Duplex {
  readonly #socket: Socket;
  #isSilent = false;
  /** The write that waits until this is passing again. */
  #held: (() => void) | undefined;

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
    socket.on("data", (data) => {
      if (!this.push(data)) socket.pause();
    });
    socket.once("end", () => this.push(null));
    socket.once("close", () => this.destroy());
    // Whoever uses this sees "close".
    this.on("error", () => {});
  }

  /** Falls silent, or goes on. */
  set isSilent(isSilent: boolean) {
    this.#isSilent = isSilent;
    if (isSilent) {
      this.#socket.pause();
      return;
    }
    this.#socket.resume();
    const held = this.#held;
    this.#held = undefined;
    held?.();
  }

  override _read(): void {
    if (!this.#isSilent) this.#socket.resume();
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const write = () => void this.#socket.write(chunk, done);
    if (this.#isSilent) this.#held = write;
    else write();
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}
