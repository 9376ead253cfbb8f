import { globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** One service, as far as others must know it: who launches it, deploys it, or passes calls on to it. */
export interface ServiceSpec {
  /** One word in lower case, such as `order`: its folder in `apps/`; its settings are `SHOAL_ORDER_…`. */
  readonly name: string;
  /** The script that is its process: an absolute path. */
  readonly entry: string;
  /** Its gRPC port, unless `SHOAL_<NAME>_GRPC_PORT` says otherwise; the admin port is 1,000 more. */
  readonly grpcPort: number;
  /** The services it calls: started before it, stopped after it; it gets their addresses. */
  readonly calls: readonly string[];
  /** Whether it keeps state, in a database of its own; one without is given none, and would refuse it. */
  readonly storage: "sql" | "none";
}

/** All services of a repository. */
export interface Services {
  /** Callees before their callers, else by port. */
  readonly services: readonly ServiceSpec[];
  /** The one door to them all. It is launched only where it is asked for: `launch({ services: [...services, gateway] })`. */
  readonly gateway: ServiceSpec;
}

/** The root of the repository. */
export const repositoryRoot = join(import.meta.dirname, "../../..");

/**
 * Reads the one list of services that there is: the folders of `apps/` whose package.json says `"shoal": {"grpcPort", "calls",
 * "storage"}`; the gateway's calls are `"*"`. Throws an `Error` that names the package.json that says what cannot be.
 */
export function readServices(root: string): Services {
  const paths = globSync("apps/*/package.json", { cwd: root });
  return servicesOf(
    root,
    new Map(paths.map((path) => [basename(dirname(path)), readFileSync(join(root, path), "utf8")])),
  );
}

/** The same of a repository at `root`, from the texts of the package.json of its apps by their folders' names. */
export function servicesOf(root: string, manifests: ReadonlyMap<string, string>): Services {
  const declared = [...manifests].toSorted().flatMap(([name, text]) => serviceOf(root, name, text));
  const doors = declared.filter(({ calls }) => calls === "*");
  const ordinary = declared.filter((service): service is ServiceSpec => service.calls !== "*");
  requireDifferentPorts(declared);
  const services = calleesFirst(ordinary.toSorted((one, other) => one.grpcPort - other.grpcPort));
  const [door, ...more] = doors;
  if (door === undefined || more.length > 0)
    throw new Error('of apps/*/package.json one must say "calls": "*", the gateway\'s');
  return { services, gateway: { ...door, calls: services.map(({ name }) => name) } };
}

type Declared = Omit<ServiceSpec, "calls"> & { readonly calls: readonly string[] | "*" };

function serviceOf(root: string, name: string, manifest: string): Declared[] {
  const { shoal } = parse(`apps/${name}/package.json`, manifest);
  if (shoal === undefined) return [];
  const wrong = (what: string) => new Error(`apps/${name}/package.json: "shoal" ${what}`);
  const { grpcPort, calls, storage } = shoal;
  if (!Number.isInteger(grpcPort) || Number(grpcPort) < 1 || Number(grpcPort) > 64_535)
    throw wrong('needs a "grpcPort" from 1 to 64535');
  if (calls !== "*" && !(Array.isArray(calls) && calls.every((name) => typeof name === "string")))
    throw wrong('needs "calls", the names of the services that it calls');
  if (storage !== "sql" && storage !== "none") throw wrong('needs "storage": "sql" or "none"');
  return [{ name, entry: join(root, "apps", name, "src/main.ts"), grpcPort: Number(grpcPort), calls, storage }];
}

function parse(path: string, manifest: string): { readonly shoal?: Partial<Declared> } {
  try {
    return JSON.parse(manifest);
  } catch (error) {
    throw new Error(`${path} is no JSON: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

/** Each port is one service's, its admin port included. */
function requireDifferentPorts(declared: readonly Declared[]): void {
  const owners = new Map<number, string>();
  for (const { name, grpcPort } of declared) {
    for (const port of [grpcPort, grpcPort + 1_000]) {
      const owner = owners.get(port);
      if (owner !== undefined)
        throw new Error(
          `apps/${name}/package.json: port ${port} is that of ${owner} already: one of them needs another grpcPort`,
        );
      owners.set(port, name);
    }
  }
}

function calleesFirst(services: readonly ServiceSpec[]): readonly ServiceSpec[] {
  const byName = new Map(services.map((service) => [service.name, service]));
  const sorted = new Set<ServiceSpec>();
  const add = (service: ServiceSpec, callers: readonly string[]) => {
    const path = [...callers, service.name];
    if (callers.includes(service.name)) throw new Error(`services call each other in a circle: ${path.join(" → ")}`);
    for (const callee of service.calls) {
      const called = byName.get(callee);
      if (called === undefined)
        throw new Error(`apps/${service.name}/package.json: there is no service ${callee} to call`);
      add(called, path);
    }
    sorted.add(service);
  };
  for (const service of services) add(service, []);
  return [...sorted];
}
