import { camelCase, pascalCase, plural, sentence, upperSnakeCase, withArticle } from "../names.ts";
import type { ServicePlan } from "./plan.ts";
import type { Reference } from "./references.ts";

/** The files of `src/domain/`, by their paths there. */
export function domainFiles(plan: ServicePlan): Readonly<Record<string, string>> {
  const { storage, references, custom } = plan;
  return {
    ...((storage === "sql" || references.length + custom.length > 0) && { [`${plan.name}.ts`]: entityFile(plan) }),
    [`${plan.plural}.ts`]: plan.storage === "sql" ? statefulUseCases(plan) : statelessUseCases(plan),
  };
}

/** What a directory of things that are referred to is called: `users`, `products`. */
export function directoryOf({ noun }: Reference): string {
  return camelCase(plural(noun.replaceAll(" ", "-")));
}

/** The constructor of the error that there is no such thing: `userNotFound`. */
export function notFoundOf({ noun }: Reference): string {
  return `${camelCase(noun.replaceAll(" ", "-"))}NotFound`;
}

function entityFile({ name, entity, storage, references }: ServicePlan): string {
  const type = `/** ${sentence(withArticle(name))}. */
export interface ${entity} {
  readonly id: string;
  readonly displayName: string;
${references.map(({ noun, field }) => `  /** The ${noun} that it is for. */\n  readonly ${field}: string;\n`).join("")}  readonly createdAtMs: number;
}

`;
  const ownNotFound = `
/** NOT_FOUND: no ${name} has this id. */
export function ${name}NotFound(id: string): AppError {
  return notFound("${upperSnakeCase(name)}_NOT_FOUND", "shoal.${name}.${entity}", id, \`there is no ${name} \${id}\`);
}
`;
  const others = references.map(
    (reference) => `
/** NOT_FOUND: there is no such ${reference.noun}, says the ${reference.service} service. */
export function ${notFoundOf(reference)}(${reference.field}: string): AppError {
  return notFound("${reference.notFound}", "shoal.${reference.service}.${pascalCase(reference.noun.replaceAll(" ", "-"))}", ${reference.field}, \`there is no ${reference.noun} \${${reference.field}}\`);
}
`,
  );
  const errors = [...(storage === "sql" ? [ownNotFound] : []), ...others];
  const helper = `
function notFound(reason: string, type: string, name: string, message: string): AppError {
  return new AppError({ kind: "missing", reason, domain, message, resource: { type, name } });
}
`;
  return `${errors.length > 0 ? 'import { AppError } from "@shoal/kernel";\n\n' : ""}${storage === "sql" ? type : ""}/** Whose errors are these. */
export const domain = "shoal.${name}";
${errors.join("")}${errors.length > 0 ? helper : ""}`;
}

const directoryPort = (
  plural: string,
) => `/** Whether there is something that ${plural} refer to, as the service says that knows it. */
export interface Directory {
  exists(key: string): Promise<boolean>;
}

`;

/** Asks for everything that is referred to, at the same time. */
function checks(references: readonly Reference[]): string {
  if (references.length === 0) return "";
  return `
  /** Fails where there is nothing that is referred to. */
  const requireAll = async ({ ${references.map(({ field }) => field).join(", ")} }: References): Promise<void> => {
    const [${references.map(({ field }) => `has${pascalCase(field)}`).join(", ")}] = await Promise.all([
${references.map((reference) => `      ${directoryOf(reference)}.exists(${reference.field}),\n`).join("")}    ]);
${references.map((reference) => `    if (!has${pascalCase(reference.field)}) throw ${notFoundOf(reference)}(${reference.field});\n`).join("")}  };
`;
}

function parts({ references }: ServicePlan, own: readonly string[]): string {
  return [...own, ...references.map(directoryOf)].join(", ");
}

function partTypes({ references }: ServicePlan, own: readonly string[]): string {
  return [...own, ...references.map((reference) => `readonly ${directoryOf(reference)}: Directory;`)]
    .map((line) => `  ${line}\n`)
    .join("");
}

function statefulUseCases(plan: ServicePlan): string {
  const { name, entity, plural: many, references, lists, deletes } = plan;
  const errors = [...references.map(notFoundOf), `${name}NotFound`].toSorted();
  const fields = ["displayName", ...references.map(({ field }) => field)];
  return `import type { Clock } from "@shoal/kernel";
import { type ${entity}, ${errors.join(", ")} } from "./${name}.ts";

/** Where ${many} are kept. */
export interface ${entity}Store {
  insert(${name}: ${entity}): Promise<void>;
  find(id: string): Promise<${entity} | undefined>;
${lists ? `  /** Up to \`limit\` ${many} with ids after \`after\`, by id. */\n  list(after: string, limit: number): Promise<readonly ${entity}[]>;\n` : ""}${deletes ? `  /** Forgets ${withArticle(name)}, if there is one of that id. */\n  delete(id: string): Promise<void>;\n` : ""}}

${references.length > 0 ? directoryPort(many) : ""}/** What the use cases need. */
export interface ${entity}Parts {
  readonly store: ${entity}Store;
${partTypes(plan, ["readonly clock: Clock;", "/** Each answer is another, and sorts after those before. */", "readonly newId: () => string;"])}}

/** What ${withArticle(name)} is made of that its creator says. */
export type New${entity} = Omit<${entity}, "id" | "createdAtMs">;
${references.length > 0 ? `\ntype References = Pick<${entity}, ${references.map(({ field }) => `"${field}"`).join(" | ")}>;\n` : ""}
/** What can be done with ${many}. */
export type ${pascalCase(many)} = ReturnType<typeof create${pascalCase(many)}>;

/** The use cases of the ${name} service. Errors are the constructors in \`${name}.ts\`. */
export function create${pascalCase(many)}({ ${parts(plan, ["store", "clock", "newId"])} }: ${entity}Parts) {${checks(references)}
  return {
    create: async ({ ${fields.join(", ")} }: New${entity}): Promise<${entity}> => {
${references.length > 0 ? `      await requireAll({ ${references.map(({ field }) => field).join(", ")} });\n` : ""}      const ${name}: ${entity} = { id: newId(), ${fields.join(", ")}, createdAtMs: clock.now() };
      await store.insert(${name});
      return ${name};
    },

    get: async (id: string): Promise<${entity}> => {
      const ${name} = await store.find(id);
      if (${name} === undefined) throw ${name}NotFound(id);
      return ${name};
    },
${
  lists
    ? `
    /** Up to \`limit\` ${many} after the one with id \`after\` (empty: from the first), oldest first. */
    list: (after: string, limit: number): Promise<readonly ${entity}[]> => store.list(after, limit),
`
    : ""
}${
  deletes
    ? `
    /** Forgets it; one that is not there is forgotten already. */
    delete: (id: string): Promise<void> => store.delete(id),
`
    : ""
}  };
}
`;
}

function statelessUseCases(plan: ServicePlan): string {
  const { name, entity, plural: many, references } = plan;
  const asks = references.length > 0;
  return `import type { Clock } from "@shoal/kernel";
${asks ? `import { ${references.map(notFoundOf).toSorted().join(", ")} } from "./${name}.ts";\n` : ""}
${asks ? directoryPort(many) : ""}/** What the use cases need. */
export interface ${entity}Parts {
${partTypes(plan, ["readonly clock: Clock;"])}}
${
  asks
    ? `
/** What ${withArticle(name)} refers to. */
export interface References {
${references.map(({ noun, field }) => `  /** The ${noun} that it is for. */\n  readonly ${field}: string;\n`).join("")}}
`
    : ""
}
/** What can be asked of ${many}. */
export type ${pascalCase(many)} = ReturnType<typeof create${pascalCase(many)}>;

/** The use cases of the ${name} service. ${asks ? `Errors are the constructors in \`${name}.ts\`.` : "It keeps nothing."} */
export function create${pascalCase(many)}({ ${parts(plan, ["clock"])} }: ${entity}Parts) {${checks(references)}
  return {
    /** Answers when it was so that there can be ${withArticle(name)}, in milliseconds since the epoch. */
    check: async (${asks ? "references: References" : ""}): Promise<number> => {
${asks ? "      await requireAll(references);\n" : ""}      return clock.now();
    },
  };
}
`;
}
