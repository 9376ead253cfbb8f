import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type Message,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";

/** What a handler answers and a client sends: a message, or the plain object that makes one. */
export type Init = MessageInitShape<DescMessage>;

/** A method of the contracts as grpc-js wants it: its path, its kind, and how its messages become bytes. */
export interface Definition {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestSerialize: (request: Init) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => Message;
  readonly responseSerialize: (response: Init) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Message;
}

/** What grpc-js needs to know of `method`. */
export function methodDefinition(method: DescMethod): Definition {
  const { input, output, methodKind } = method;
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: methodKind === "client_streaming" || methodKind === "bidi_streaming",
    responseStream: methodKind === "server_streaming" || methodKind === "bidi_streaming",
    requestSerialize: serializer(input),
    requestDeserialize: (bytes) => fromBinary(input, bytes),
    responseSerialize: serializer(output),
    responseDeserialize: (bytes) => fromBinary(output, bytes),
  };
}

function serializer(schema: DescMessage): (init: Init) => Buffer {
  return (init) => {
    const bytes = toBinary(schema, create(schema, init));
    // The same memory, seen as the Buffer that grpc-js asks for.
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}
