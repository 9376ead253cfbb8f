import { create, type DescMessage, type DescService, type MessageInitShape } from "@bufbuild/protobuf";
import type { Client } from "@shoal/rpc";

/** A client of a contract whose calls go wherever `call` takes them; only unary methods can be called. */
export function createContractClient<S extends DescService>(
  service: S,
  call: (method: string, request: unknown) => Promise<unknown>,
): Client<S> {
  const methods = service.methods.map(({ localName, input, output }) => [
    localName,
    async (request: MessageInitShape<DescMessage>) =>
      create(output, (await call(localName, create(input, request))) as MessageInitShape<DescMessage>),
  ]);
  return { ...Object.fromEntries(methods), [Symbol.dispose]: () => {} };
}
