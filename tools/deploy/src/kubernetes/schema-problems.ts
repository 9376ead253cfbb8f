import type { Manifest } from "./manifest.ts";

/** A kind of object, with the check that was compiled from its schema: it throws an `Error` that lists what is wrong. */
interface Model {
  validate(): void;
}

/** The packages that have the schemas, by what begins the `apiVersion`; the rest are Kubernetes' own. */
const packages: Readonly<Record<string, string>> = { "gateway.networking.k8s.io": "@kubernetes-models/gateway-api" };

/**
 * What Kubernetes would not take of a manifest, a line each, by the schemas of its API: fields that are missing or of the wrong
 * type, values out of range, kinds that there are not, and fields that the schema does not know, as the API server refuses them
 * from kubectl. References between objects are none of a schema's business.
 */
export async function schemaProblems(manifest: Manifest): Promise<readonly string[]> {
  const { apiVersion, kind } = manifest;
  const home = packages[apiVersion.split("/")[0] ?? ""] ?? "kubernetes-models";
  const module = await import(`${home}/${apiVersion}/${kind}`).catch(() => undefined);
  if (module === undefined) return [`there is no ${kind} in ${apiVersion}`];
  const model: Model = new module[kind](manifest);
  // The compiled schemas let unknown fields pass. They are those that a check, which reads all it knows, has never looked at.
  const seen = new Map<object, Set<string>>();
  const problems = [];
  try {
    model.validate.call(watched(model, seen));
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  }
  return [...problems, ...unseen(model, seen, "").map((path) => `there is no field ${path.slice(1)}`)];
}

/** The same object, of which it is noted which fields are read, at any depth. */
function watched<T extends object>(object: T, seen: Map<object, Set<string>>): T {
  return new Proxy(object, {
    get(target, key) {
      if (typeof key === "string") seen.set(target, (seen.get(target) ?? new Set()).add(key));
      const value = Reflect.get(target, key);
      return isObject(value) ? watched(value, seen) : value;
    },
  });
}

function unseen(object: object, seen: ReadonlyMap<object, ReadonlySet<string>>, path: string): readonly string[] {
  return Object.entries(object).flatMap(([key, value]) => {
    const at = `${path}.${key}`;
    if (seen.get(object)?.has(key) !== true) return [at];
    return isObject(value) ? unseen(value, seen, at) : [];
  });
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
