import { type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { status } from "@grpc/grpc-js";
import { ServerReflection as V1 } from "@shoal/contracts/grpc/reflection/v1/reflection";
import { ServerReflection as V1Alpha } from "@shoal/contracts/grpc/reflection/v1alpha/reflection";
import { implement, type ServiceImplementation } from "./handlers.ts";

/** grpc.reflection v1 and v1alpha for `services`, which it answers from their own descriptors. */
export function createReflection(services: readonly DescService[]): readonly ServiceImplementation[] {
  const index = indexFiles([...services, V1, V1Alpha]);
  const answer = (request: Question) => ({ validHost: request.host, messageResponse: lookUp(index, request) });
  return [
    implement(V1, {
      serverReflectionInfo: async function* (requests) {
        for await (const request of requests) yield { originalRequest: request, ...answer(request) };
      },
    }),
    implement(V1Alpha, {
      serverReflectionInfo: async function* (requests) {
        for await (const request of requests) yield { originalRequest: request, ...answer(request) };
      },
    }),
  ];
}

/** The request of either version: the two differ in their package only. */
interface Question {
  readonly host: string;
  readonly messageRequest:
    | { readonly case: "fileByFilename" | "fileContainingSymbol"; readonly value: string }
    | { readonly case: "allExtensionNumbersOfType" | "listServices"; readonly value: string }
    | {
        readonly case: "fileContainingExtension";
        readonly value: { readonly containingType: string; readonly extensionNumber: number };
      }
    | { readonly case: undefined; readonly value?: undefined };
}

interface FileIndex {
  readonly services: readonly string[];
  readonly byName: ReadonlyMap<string, DescFile>;
  readonly bySymbol: ReadonlyMap<string, DescFile>;
  /** Extended message → extension number → file. */
  readonly extensions: ReadonlyMap<string, ReadonlyMap<number, DescFile>>;
}

function lookUp(index: FileIndex, { messageRequest: question }: Question) {
  switch (question.case) {
    case "listServices":
      return {
        case: "listServicesResponse" as const,
        value: { service: index.services.map((name) => ({ name })) },
      };
    case "fileByFilename":
      return withFile(index.byName.get(question.value), question.value);
    case "fileContainingSymbol":
      return withFile(index.bySymbol.get(question.value), question.value);
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = question.value;
      const file = index.extensions.get(containingType)?.get(extensionNumber);
      return withFile(file, `extension ${extensionNumber} of ${containingType}`);
    }
    case "allExtensionNumbersOfType": {
      const numbers = index.extensions.get(question.value);
      if (numbers === undefined && !index.bySymbol.has(question.value)) return notFound(question.value);
      const value = { baseTypeName: question.value, extensionNumber: [...(numbers?.keys() ?? [])] };
      return { case: "allExtensionNumbersResponse" as const, value };
    }
    default:
      return failure(status.INVALID_ARGUMENT, "the request asks for nothing");
  }
}

/** The file and all that it imports, so that one answer is enough. */
function withFile(file: DescFile | undefined, asked: string) {
  if (file === undefined) return notFound(asked);
  const files = new Set<DescFile>();
  collect(file, files);
  const fileDescriptorProto = [...files].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: "fileDescriptorResponse" as const, value: { fileDescriptorProto } };
}

function notFound(asked: string) {
  return failure(status.NOT_FOUND, `this server knows no ${asked}`);
}

function failure(errorCode: status, errorMessage: string) {
  return { case: "errorResponse" as const, value: { errorCode, errorMessage } };
}

function collect(file: DescFile, into: Set<DescFile>): void {
  if (into.has(file)) return;
  into.add(file);
  for (const dependency of file.dependencies) collect(dependency, into);
}

function indexFiles(services: readonly DescService[]): FileIndex {
  const files = new Set<DescFile>();
  for (const { file } of services) collect(file, files);
  const bySymbol = new Map<string, DescFile>();
  const extensions = new Map<string, Map<number, DescFile>>();
  for (const file of files) {
    type Scope = Pick<DescFile, "messages" | "enums" | "extensions">;
    const visit = ({ messages, enums, extensions: extending }: Scope) => {
      for (const type of enums) {
        bySymbol.set(type.typeName, file);
        for (const value of type.values) bySymbol.set(`${scopeOf(type.typeName)}${value.name}`, file);
      }
      for (const extension of extending) {
        bySymbol.set(extension.typeName, file);
        const numbers = extensions.get(extension.extendee.typeName) ?? new Map<number, DescFile>();
        extensions.set(extension.extendee.typeName, numbers.set(extension.number, file));
      }
      for (const message of messages) {
        bySymbol.set(message.typeName, file);
        for (const { name } of [...message.fields, ...message.oneofs])
          bySymbol.set(`${message.typeName}.${name}`, file);
        visit({
          messages: message.nestedMessages,
          enums: message.nestedEnums,
          extensions: message.nestedExtensions,
        });
      }
    };
    visit(file);
    for (const service of file.services) {
      bySymbol.set(service.typeName, file);
      for (const method of service.methods) bySymbol.set(`${service.typeName}.${method.name}`, file);
    }
  }
  return {
    services: services.map(({ typeName }) => typeName),
    byName: new Map([...files].map((file) => [file.proto.name, file])),
    bySymbol,
    extensions,
  };
}

/** An enum's values stand beside it, not inside it (C++ scoping rules of protobuf). */
function scopeOf(typeName: string): string {
  return typeName.slice(0, typeName.lastIndexOf(".") + 1);
}
