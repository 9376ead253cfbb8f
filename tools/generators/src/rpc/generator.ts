import { dirname, relative } from "node:path/posix";
import type { Tree } from "nx/src/devkit-exports";
import { finish } from "../finish.ts";
import { camelCase, kebabCase, pascalCase, requireMethodName } from "../names.ts";
import { unwritten } from "../service/contract.ts";
import { runTool } from "../tool.ts";
import { requireService, servicesIn, sourcesIn } from "../workspace.ts";
import { addToBlock, messageBody } from "./contract-text.ts";
import { handlerFile, handlerTest } from "./handler-files.ts";

/** What is asked for, as Nx hands it over. */
export interface RpcOptions {
  readonly service: string;
  readonly method: string;
}

/** A method that is to be written. */
export interface MethodPlan {
  /** `order`. */
  readonly service: string;
  /** `RefundOrder`. */
  readonly method: string;
  /** The fields of its request, as code calls them. */
  readonly fields: readonly string[];
  /** Those of them that are UUIDs. */
  readonly uuids: readonly string[];
  /** Where, from the handler's folder, the domain's name is; undefined: nowhere. */
  readonly domainFile: string | undefined;
  /** The one field of its response, if it has one. */
  readonly answer: string | undefined;
}

/**
 * `nx g rpc SERVICE METHOD`: adds a unary method to a service's contract, with its handler, and a test that fails until it is
 * written. It asks for what the contract's first `Get…` asks for, and answers the same. Throws an `Error` that says what cannot
 * be, before anything is written.
 */
export async function rpcGenerator(tree: Tree, { service, method }: RpcOptions): Promise<() => void> {
  const contractPath = `proto/shoal/${service}/v1/${service}_service.proto`;
  const contract = readContract(tree, service, contractPath);
  requireContracts(tree.root);
  requireNewMethod(contract, method, `${pascalCase(service)}Service`);
  const handlersPath = findHandlers(tree, service);
  const request = likeFirstRead(contract, "Request");
  const response = likeFirstRead(contract, "Response");
  const plan: MethodPlan = {
    service,
    method,
    fields: fieldsOf(request).map(camelCase),
    uuids: fieldsOf(request, /\.uuid = true/).map(camelCase),
    domainFile: findDomain(tree, service, dirname(handlersPath)),
    answer: fieldsOf(response).map(camelCase)[0],
  };
  const folder = dirname(handlersPath);
  const file = kebabCase(method);
  for (const path of [`${folder}/${file}.ts`, `${folder}/${file}.test.ts`])
    if (tree.exists(path)) throw new Error(`there is ${path} already: choose another name, or remove that first`);

  const rpc = `\n${unwritten(method)}\n`;
  const messages = `\nmessage ${method}Request {${request}}\n\nmessage ${method}Response {${response}}\n`;
  tree.write(
    contractPath,
    `${addToBlock(contract, `service ${pascalCase(service)}Service {`, rpc).trimEnd()}\n${messages}`,
  );
  tree.write(`${folder}/${file}.ts`, handlerFile(plan));
  tree.write(`${folder}/${file}.test.ts`, handlerTest(plan, `${folder}/${file}.ts`));
  const handlers = tree.read(handlersPath, "utf8") ?? "";
  const head = `implement(${pascalCase(service)}Service, {`;
  const imported = `import { ${camelCase(method)} } from "./${relative(folder, `${folder}/${file}.ts`)}";\n`;
  const separator = /,\s*$/.test(bodyBefore(handlers, head)) ? "" : ",";
  tree.write(handlersPath, imported + addToBlock(handlers, head, `${separator}\n    ${camelCase(method)},\n  `));
  return finish(tree, [
    "",
    `${method} is in the contract of ${service}, and answers UNIMPLEMENTED until it is written:`,
    "",
    `  ${contractPath}  what it asks for, answers and promises`,
    `  ${folder}/${file}.ts  the handler`,
    `  ${folder}/${file}.test.ts  fails until that is written`,
  ]);
}

function readContract(tree: Tree, service: string, path: string): string {
  requireService(servicesIn(tree), service);
  const contract = tree.read(path, "utf8");
  if (contract === null) throw new Error(`${service} has no contract at ${path}`);
  return contract;
}

/** What is broken already is for its author to mend first. */
function requireContracts(root: string): void {
  try {
    runTool(root, "buf", "build");
  } catch (error) {
    throw new Error(`the contracts must compile first:\n${(error as Error).message}`, { cause: error });
  }
}

function requireNewMethod(contract: string, method: string, service: string): void {
  requireMethodName(method, "RefundOrder");
  if (new RegExp(`\\brpc ${method}\\b`).test(contract)) throw new Error(`${service} has ${method} already`);
  for (const message of [`${method}Request`, `${method}Response`])
    if (messageBody(contract, message) !== undefined) throw new Error(`the contract has a message ${message} already`);
}

function findHandlers(tree: Tree, service: string): string {
  const head = `implement(${pascalCase(service)}Service, {`;
  const found = sourcesIn(tree, `apps/${service}/src`).find(
    (path) => !path.endsWith(".test.ts") && tree.read(path, "utf8")?.includes(head),
  );
  if (found === undefined)
    throw new Error(`no file of apps/${service}/src has "${head}", where the handler would be added`);
  return found;
}

/** The file that says whose errors are the service's, as a file of `folder` imports it. */
function findDomain(tree: Tree, service: string, folder: string): string | undefined {
  const found = sourcesIn(tree, `apps/${service}/src/domain`).find((path) =>
    tree.read(path, "utf8")?.includes(`export const domain = "shoal.${service}"`),
  );
  if (found === undefined) return undefined;
  const path = relative(folder, found);
  return path.startsWith(".") ? path : `./${path}`;
}

/** The fields of the request or response of the contract's first method that reads one thing; none where there is no such method. */
function likeFirstRead(contract: string, kind: "Request" | "Response"): string {
  const [, first] = /\brpc (Get[A-Za-z0-9]+)\(/.exec(contract) ?? [];
  return (first !== undefined && messageBody(contract, `${first}${kind}`)) || "";
}

/** Their names; only of those whose options have `what`. */
function fieldsOf(body: string, what = /(?:)/): readonly string[] {
  const fields = [...body.matchAll(/^ {2}(?:repeated )?[\w.]+ (\w+) = \d+([^;]*);/gm)];
  return fields.filter(([, , options]) => what.test(options ?? "")).map(([, name]) => name ?? "");
}

function bodyBefore(text: string, head: string): string {
  const whole = addToBlock(text, head, "\u0000");
  return whole.slice(0, whole.indexOf("\u0000")).trimEnd();
}
