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
import { pathOf } from "./policy.ts";

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

/** Bytes of a message. Throws a `TypeError` or alike for a value that its field cannot hold. */
export function encode(schema: DescMessage, init: Init): Buffer {
  const bytes = toBinary(schema, create(schema, init));
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
  const domain = "shoal.rpc";
  if (bytes.length > maxBytes)
    throw new AppError({
      kind: "exhausted",
      reason: `${what.toUpperCase()}_TOO_LARGE`,
      domain,
      message: `the ${what} has ${bytes.length} bytes; at most ${maxBytes} are taken`,
      metadata: { bytes: String(bytes.length), limit: String(maxBytes) },
    });
  try {
    return fromBinary(schema, bytes);
  } catch (cause) {
    const message = `the ${what}'s bytes are not a ${schema.typeName}`;
    throw new AppError({ kind: malformed, reason: `${what.toUpperCase()}_MALFORMED`, domain, message, cause });
  }
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}
