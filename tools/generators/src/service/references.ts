import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type DescMethod, type DescService, getOption, hasOption, ScalarType } from "@bufbuild/protobuf";
import { field as rulesOption } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import type { Services } from "@shoal/services";
import { kebabCase, pascalCase } from "../names.ts";
import { requireService } from "../workspace.ts";

/** Something that another service knows, and that can be asked for by its key. */
export interface Reference {
  /** The service that knows it: `user`. */
  readonly service: string;
  /** What it is, in words: `user`. */
  readonly noun: string;
  /** The client's method that reads it: `getUser`. */
  readonly method: string;
  /** The name of its key, in the contract and in code: `user_id`, `userId`. */
  readonly protoField: string;
  readonly field: string;
  /** The reason of the callee's answer where there is none. */
  readonly notFound: string;
  readonly isUuid: boolean;
}

/**
 * What a service that calls `callee` can refer to: what the first method of its contract reads that is called `Get…` and is asked
 * for by one text alone. Throws an `Error` where there is no such method, or no such service.
 */
export async function referenceTo(root: string, services: Services, callee: string): Promise<Reference> {
  requireService(services, callee);
  const contract = await contractOf(root, callee);
  const reading = contract.methods.find(isReading);
  if (reading === undefined)
    throw new Error(
      `${callee} has no method that reads one thing by its key, such as Get${pascalCase(callee)}, so there is nothing to ask it for; generate without --calls ${callee}, and write the call by hand`,
    );
  const [key] = reading.input.fields;
  if (key === undefined) throw new Error(`${reading.name} asks for nothing`);
  const noun = kebabCase(reading.name.slice("Get".length)).replaceAll("-", " ");
  const rules = hasOption(key, rulesOption) ? getOption(key, rulesOption) : undefined;
  return {
    service: callee,
    noun,
    method: reading.localName,
    protoField: key.name,
    field: key.localName,
    notFound: `${reading.name
      .slice("Get".length)
      .replaceAll(/(?<=[a-z0-9])[A-Z]/g, (letter) => `_${letter}`)
      .toUpperCase()}_NOT_FOUND`,
    isUuid: rules?.type.case === "string" && rules.type.value.wellKnown.case === "uuid",
  };
}

async function contractOf(root: string, callee: string): Promise<DescService> {
  const path = join(root, `libs/contracts/gen/shoal/${callee}/v1/${callee}_service_pb.js`);
  if (!existsSync(path)) throw new Error(`the contract of ${callee} has no code yet: run \`npm run generate\` first`);
  const module = (await import(pathToFileURL(path).href)) as Record<string, DescService>;
  const contract = module[`${pascalCase(callee)}Service`];
  if (contract === undefined) throw new Error(`${path} has no ${pascalCase(callee)}Service`);
  return contract;
}

function isReading({ name, methodKind, input }: DescMethod): boolean {
  const [key, ...others] = input.fields;
  return (
    /^Get[A-Z]/.test(name) &&
    methodKind === "unary" &&
    others.length === 0 &&
    key?.fieldKind === "scalar" &&
    // That is what a generated method begins with, not a key.
    key.name !== "display_name" &&
    key.scalar === ScalarType.STRING
  );
}
