import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type Message,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { MethodDefinition } from "@grpc/grpc-js";
import { AppError, type ErrorKind } from "@shoal/kernel";
import { markFinal } from "./final-errors.ts";
import { pathOf } from "./policy.ts";

const domain = "shoal.rpc";

/** What a handler answers and a client sends: a message, or the plain object that makes one. */
export type Init = MessageInitShape<DescMessage>;

/**
 * A method as grpc-js wants it. Messages pass through grpc-js as bytes: what cannot be read or written is then ours to
 * answer, and never becomes a text of the codec's on the wire.
 */
export function methodDefinition(method: DescMethod): MethodDefinition<Buffer, Buffer> {
  const { methodKind } = method;
  return {
    path: pathOf(method),
    requestStream: methodKind === "client_streaming" || methodKind === "bidi_streaming",
    responseStream: methodKind === "server_streaming" || methodKind === "bidi_streaming",
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
}

/**
 * The bytes of a request. Throws an {@link AppError}, `exhausted` (`REQUEST_TOO_LARGE`), for more than `maxBytes`, and the
 * codec's `TypeError` or alike for a value that its field cannot hold.
 */
export function encodeRequest(schema: DescMessage, init: Init, maxBytes: number, looks: readonly Look[] = []): Buffer {
  return encode(schema, init, maxBytes, looks, "request");
}

/** The bytes of a response; as {@link encodeRequest}, with the reason `RESPONSE_TOO_LARGE`. */
export function encodeResponse(schema: DescMessage, init: Init, maxBytes: number, looks: readonly Look[] = []): Buffer {
  return encode(schema, init, maxBytes, looks, "response");
}

/** What looks at a message on its way. */
type Look = (message: Message) => void;

function encode(
  schema: DescMessage,
  init: Init,
  maxBytes: number,
  looks: readonly Look[],
  what: "request" | "response",
): Buffer {
  const message = create(schema, init);
  for (const look of looks) look(message);
  const bytes = toBinary(schema, message);
  if (bytes.length > maxBytes) throw tooLarge(what, bytes.length, maxBytes, "sent");
  // The same memory, seen as the Buffer that grpc-js asks for.
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * The request in `bytes`. Throws an {@link AppError}: `exhausted` (`REQUEST_TOO_LARGE`) for more than `maxBytes`,
 * `invalid` (`REQUEST_MALFORMED`) for what is not such a message.
 */
export function decodeRequest(schema: DescMessage, bytes: Buffer, maxBytes: number): Message {
  return decode(schema, bytes, maxBytes, "request", "invalid");
}

/**
 * The response in `bytes`. Throws an {@link AppError}: `exhausted` (`RESPONSE_TOO_LARGE`) for more than `maxBytes`,
 * `internal` (`RESPONSE_MALFORMED`) for what is not such a message.
 */
export function decodeResponse(schema: DescMessage, bytes: Buffer, maxBytes: number): Message {
  return decode(schema, bytes, maxBytes, "response", "internal");
}

function decode(
  schema: DescMessage,
  bytes: Buffer,
  maxBytes: number,
  what: "request" | "response",
  malformed: ErrorKind,
): Message {
  if (bytes.length > maxBytes) throw tooLarge(what, bytes.length, maxBytes, "taken");
  try {
    return fromBinary(schema, bytes);
  } catch (cause) {
    const message = `the ${what}'s bytes are not a ${schema.typeName}`;
    throw new AppError({ kind: malformed, reason: `${what.toUpperCase()}_MALFORMED`, domain, message, cause });
  }
}

/** Final: whoever tried again would send, or be sent, as much. */
function tooLarge(what: "request" | "response", bytes: number, maxBytes: number, done: "sent" | "taken"): AppError {
  const error = new AppError({
    kind: "exhausted",
    reason: `${what.toUpperCase()}_TOO_LARGE`,
    domain,
    message: `the ${what} has ${bytes} bytes; at most ${maxBytes} are ${done}`,
    metadata: { bytes: String(bytes), limit: String(maxBytes) },
  });
  markFinal(error);
  return error;
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}
