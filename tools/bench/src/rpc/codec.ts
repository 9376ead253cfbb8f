import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";

/** One side of a method as grpc-js wants it, with the codec of protobuf-es. */
export function codecOf<D extends DescMessage>(side: "request" | "response", schema: D) {
  return {
    [`${side}Serialize`]: (message: MessageShape<D>) => {
      const bytes = toBinary(schema, message);
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    },
    [`${side}Deserialize`]: (bytes: Buffer) => fromBinary(schema, bytes),
  };
}
