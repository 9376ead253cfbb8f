import { camelCase, kebabCase, pascalCase, plural } from "../names.ts";
import type { ServicePlan } from "./plan.ts";
import type { Reference } from "./references.ts";

/** The files of `src/clients/`, by their paths there: the services that it calls, behind the domain's ports. */
export function clientFiles(plan: ServicePlan): Readonly<Record<string, string>> {
  return Object.fromEntries(plan.references.map((reference) => [fileOf(reference), clientFile(plan, reference)]));
}

/** `user-directory.ts`. */
export function fileOf({ noun }: Reference): string {
  return `${kebabCase(noun.replaceAll(" ", "-"))}-directory.ts`;
}

/** `createUserDirectory`. */
export function factoryOf({ noun }: Reference): string {
  return `create${pascalCase(noun.replaceAll(" ", "-"))}Directory`;
}

function clientFile({ name, plural: many }: ServicePlan, reference: Reference): string {
  const { service, noun, method, field, notFound } = reference;
  const contract = `${pascalCase(service)}Service`;
  return `import type { ${contract} } from "@shoal/contracts/${service}/v1/${service}_service";
import { isAppError } from "@shoal/kernel";
import { type Client, upstreamError } from "@shoal/rpc";
import type { Directory } from "../domain/${many}.ts";
import { domain } from "../domain/${name}.ts";

/** The ${service} service behind the domain's port, asked for ${plural(noun)}. The caller disposes of the client. */
export function ${factoryOf(reference)}(client: Pick<Client<typeof ${contract}>, "${method}">): Directory {
  return {
    exists: async (${camelCase(field)}) => {
      try {
        await client.${method}({ ${field} });
        return true;
      } catch (error) {
        if (isAppError(error, "${notFound}")) return false;
        throw upstreamError("${service}", domain, error);
      }
    },
  };
}
`;
}
