import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  constants,
  type Http2Stream,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";

/** What {@link forwardStream} forwards, and where to. */
export interface ForwardOptions {
  readonly headers: IncomingHttpHeaders;
  /** Whether the headers are the whole request. */
  readonly isWhole: boolean;
  readonly far: ClientHttp2Session;
  /** Called when the instance's connection is lost before the answer was complete. */
  readonly onLost: () => void;
  /** Called when the answer begins, instead of passing it on. */
  readonly onAnswer?: (() => void) | undefined;
}

/**
 * Passes a client's stream on to the instance, and the answer back: headers, data as fast as the slower side takes it,
 * trailers, and resets with their codes, either way. A stream that the instance's connection takes no more is refused, so
 * that the client knows that nothing was done.
 */
export function forwardStream(
  near: ServerHttp2Stream,
  { headers, isWhole, far, onLost, onAnswer }: ForwardOptions,
): void {
  if (near.destroyed) return;
  const out = request(far, headers, isWhole);
  if (out === undefined) {
    near.close(constants.NGHTTP2_REFUSED_STREAM);
    return;
  }
  if (!isWhole) pass(near, out);
  let trailers: IncomingHttpHeaders = {};
  /** Whether there is no more to come of the answer. */
  let hasEnded = false;
  out.on("error", () => {});
  out.once("response", (answer, flags) => {
    // A stream that the client has reset without an error is closed, and stands until what has come on it is read.
    if (near.closed) return;
    if (onAnswer !== undefined) {
      hasEnded = true;
      out.close(constants.NGHTTP2_CANCEL);
      onAnswer();
      return;
    }
    const endStream = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    near.respond(answer, endStream ? { endStream } : { waitForTrailers: true });
    if (endStream) hasEnded = true;
    else pass(out, near, () => (hasEnded = true));
  });
  out.once("trailers", (given) => {
    trailers = given;
  });
  near.once("wantTrailers", () => near.sendTrailers(trailers));
  out.once("close", () => {
    if (near.closed || hasEnded) {
      near.unpipe(out);
      near.resume();
    } else if (far.destroyed) onLost();
    else if (out.rstCode !== constants.NGHTTP2_NO_ERROR) near.close(out.rstCode);
    else near.close(constants.NGHTTP2_INTERNAL_ERROR);
  });
  near.once("close", () => {
    if (!out.closed) out.close(hasEnded ? near.rstCode : near.rstCode || constants.NGHTTP2_CANCEL);
  });
}

/** Passes data on until it ends. A stream that is reset says that it ends, too, and that is not passed on. */
function pass(from: Http2Stream, to: Http2Stream, whenEnded = () => {}): void {
  from.pipe(to, { end: false });
  from.once("end", () => {
    if (from.aborted || from.rstCode !== constants.NGHTTP2_NO_ERROR) return;
    whenEnded();
    to.end();
  });
}

function request(
  far: ClientHttp2Session,
  headers: IncomingHttpHeaders,
  endStream: boolean,
): ClientHttp2Stream | undefined {
  if (far.closed || far.destroyed) return undefined;
  try {
    return far.request(headers, { endStream });
  } catch {
    return undefined;
  }
}
