import type { Tree } from "nx/src/devkit-exports";
import { finish } from "../finish.ts";
import { addToLockFile, lockedVersion } from "../lock-file.ts";
import { listOf, pascalCase, plural, withArticle } from "../names.ts";
import { servicesIn, writeDeployFiles } from "../workspace.ts";
import { appFiles } from "./app-files.ts";
import { clientFiles } from "./client-files.ts";
import { contract } from "./contract.ts";
import { domainFiles } from "./domain-files.ts";
import { handlerFiles } from "./handler-files.ts";
import { freePort, methodsOf, nameProblem, type ServiceOptions, type ServicePlan } from "./plan.ts";
import { type Reference, referenceTo } from "./references.ts";
import { storeFiles } from "./store-files.ts";

/**
 * `nx g service NAME`: writes a service with its contract, database, tests and deployment. Throws an `Error` that says what cannot
 * be, before anything is written.
 */
export async function serviceGenerator(tree: Tree, options: ServiceOptions): Promise<() => void> {
  const plan = await planOf(tree, options);
  const { name, entity, grpcPort, storage } = plan;
  tree.write(`proto/shoal/${name}/v1/${name}_service.proto`, contract(plan));
  const app = {
    ...appFiles(plan, (dependency) => lockedVersion(tree, dependency)),
    ...inFolder("src", handlerFiles(plan)),
    ...inFolder("src/domain", domainFiles(plan)),
    ...inFolder("src/clients", clientFiles(plan)),
    ...(storage === "sql" && inFolder("src/store", storeFiles(plan))),
  };
  for (const [path, text] of Object.entries(app)) tree.write(`apps/${name}/${path}`, text);
  addToLockFile(tree, `apps/${name}`);
  writeDeployFiles(tree);
  return finish(tree, [
    "",
    `The ${name} service is written: shoal.${name}.v1.${entity}Service on port ${grpcPort}, admin on ${grpcPort + 1_000}.`,
    "",
    `  npm start                 starts it with the others`,
    `  npm test -- -p ${name.padEnd(10)} runs its tests`,
    `${`  apps/${name}/README.md`.padEnd(28)}says how to call it, and where things live`,
    ...(/[^sui]s$/.test(name)
      ? [`  A service is called by one of the things that it owns; its are ${plan.plural} now.`]
      : []),
    ...plan.custom.map((method) => `  ${method} is in the contract, and left to you: apps/${name}/src/handlers.ts`),
  ]);
}

async function planOf(tree: Tree, { name, methods, storage = "sql", calls }: ServiceOptions): Promise<ServicePlan> {
  const services = servicesIn(tree);
  const problem = nameProblem(name, services, (path) => tree.exists(path));
  if (problem !== undefined) throw new Error(problem);
  const chosen = methodsOf(name, storage, methods);
  const references = await Promise.all(
    [...new Set(listOf(calls))].map((callee) => referenceTo(tree.root, services, callee)),
  );
  requireDifferentNames(name, references);
  return {
    name,
    entity: pascalCase(name),
    plural: plural(name),
    grpcPort: freePort(services),
    storage,
    references,
    ...chosen,
  };
}

/** What is referred to must be told apart from what the service has itself. */
function requireDifferentNames(name: string, references: readonly Reference[]): void {
  const taken = new Set([name, "id", `${name}Id`, "displayName", "createTime", "createdAtMs", "checkTime"]);
  for (const { service, noun, field } of references)
    for (const word of new Set([noun, field])) {
      if (taken.has(word))
        throw new Error(
          `--calls ${service} would give ${withArticle(name)} two things that are called ${word}: leave it out, and write that call by hand`,
        );
      taken.add(word);
    }
}

function inFolder(folder: string, files: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(files).map(([path, text]) => [`${folder}/${path}`, text]));
}
