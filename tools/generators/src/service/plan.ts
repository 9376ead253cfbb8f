import type { Services } from "@shoal/services";
import { listOf, pascalCase, plural, requireMethodName } from "../names.ts";
import type { Reference } from "./references.ts";

/** What is asked for, as Nx hands it over. */
export interface ServiceOptions {
  readonly name: string;
  /** Names of methods, separated by commas. */
  readonly methods?: string;
  readonly storage?: "sql" | "none";
  /** Names of services, separated by commas. */
  readonly calls?: string;
}

/** A service that is to be written. */
export interface ServicePlan {
  /** `payment`. */
  readonly name: string;
  /** `Payment`: what the service is about. */
  readonly entity: string;
  /** `payments`. */
  readonly plural: string;
  readonly grpcPort: number;
  readonly storage: "sql" | "none";
  /** What it refers to, each known by a service that it calls. */
  readonly references: readonly Reference[];
  /** Whether there is a method that lists, and one that deletes. */
  readonly lists: boolean;
  readonly deletes: boolean;
  /** Methods that are left to be written: `ConfirmPayment`. */
  readonly custom: readonly string[];
}

/** Words that a service cannot be called by. */
const reserved = new Set(
  [
    // The contracts' own folders, settings of other things (`SHOAL_TEST_…`), and what Compose has besides services.
    "breaking buf collector compose databases demo echo etcd faults fixture google grafana grpc invariants jaeger",
    "localhost loki mysql policy prometheus redis registry shoal test type",
    // What every service's own code calls something by.
    "app asked assert call client clock config context database db directory domain handler id implement kept",
    "key keys lifecycle log main migration reference references run selectable service setting settings sql",
    "start store telemetry timestamp",
    // Types and words of JavaScript, TypeScript and YAML.
    "arguments array async await bigint boolean break case catch class const constructor continue date",
    "debugger default delete do else enum error eval export extends false finally for function if implements",
    "import in instanceof interface let map new no null number object off omit on package pick private promise",
    "protected public record return set static string super switch symbol this throw true try typeof undefined",
    "var void while with yes yield",
  ].flatMap((words) => words.split(" ")),
);

/** `PaymentGateway` or `payment-gateway` as a service may be called; undefined: nothing is left of it. */
function oneWord(name: string): string | undefined {
  return /^[a-z][a-z0-9]{1,19}$/.exec(name.toLowerCase().replaceAll(/[-_ ]/g, ""))?.[0];
}

/** Why there can be no service of that name; undefined: there can. */
export function nameProblem(
  name: string,
  { services, gateway }: Services,
  isTaken: (path: string) => boolean,
): string | undefined {
  if (!/^[a-z][a-z0-9]{1,19}$/.test(name))
    return `"${name}" cannot be a service's name: one word of 2 to 20 lower-case letters and digits, such as ${oneWord(name) ?? "payment"}`;
  if ([...services, gateway].some((service) => service.name === name)) return `there is a service ${name} already`;
  if (reserved.has(name) || reserved.has(plural(name)))
    return `"${name}" means something else here: choose another name`;
  for (const path of [`apps/${name}/package.json`, `proto/shoal/${name}`, `libs/${name}`, `tools/${name}`])
    if (isTaken(path)) return `there is ${path} already: choose another name, or remove that first`;
  return undefined;
}

/** The first port from 50,055 on that is no other service's, and whose admin port is not either. */
export function freePort({ services, gateway }: Services): number {
  const taken = new Set(
    [...services, gateway].flatMap(({ grpcPort }) => [grpcPort, grpcPort + 1_000, grpcPort - 1_000]),
  );
  let port = gateway.grpcPort + 1;
  while (taken.has(port) || reservedPorts.has(port)) port += 1;
  return port;
}

/** The README's examples listen there. */
const reservedPorts = new Set([50_060]);

/** The methods of a service, as they are asked for. Throws an `Error` that says what cannot be. */
export function methodsOf(
  name: string,
  storage: "sql" | "none",
  asked: string | undefined,
): Pick<ServicePlan, "lists" | "deletes" | "custom"> {
  const entity = pascalCase(name);
  const entities = pascalCase(plural(name));
  const [create, get, list, remove, check] = [
    `Create${entity}`,
    `Get${entity}`,
    `List${entities}`,
    `Delete${entity}`,
    `Check${entity}`,
  ];
  const stateful = [create, get, list, remove];
  const standard = storage === "sql" ? stateful : [check];
  const told = listOf(asked);
  const names = told.length > 0 ? told : storage === "sql" ? [create, get, list] : [check];
  for (const method of names) {
    requireMethodName(method, `Confirm${entity}`);
    if (storage === "none" && stateful.includes(method))
      throw new Error(`${method} needs a place to keep things: --storage sql`);
  }
  const misnamed = names.find((method) => method.startsWith(`List${entity}`) && method !== list && storage === "sql");
  if (misnamed !== undefined) throw new Error(`the method that lists is called ${list} here, not ${misnamed}`);
  const twice = names.find((method, index) => names.indexOf(method) !== index);
  if (twice !== undefined) throw new Error(`${twice} is named twice`);
  return {
    lists: names.includes(list) && storage === "sql",
    deletes: names.includes(remove) && storage === "sql",
    custom: names.filter((method) => !standard.includes(method)),
  };
}
