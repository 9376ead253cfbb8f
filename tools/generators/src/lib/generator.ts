import type { Tree } from "nx/src/devkit-exports";
import { finish } from "../finish.ts";
import { addToLockFile } from "../lock-file.ts";
import { withArticle } from "../names.ts";
import { servicesIn } from "../workspace.ts";

/** What is asked for, as Nx hands it over. */
export interface LibOptions {
  readonly name: string;
  readonly layer: number;
  /** The question that the library answers. */
  readonly answers: string;
}

const layersPath = "tools/repo/layers.json";

/**
 * `nx g lib NAME --layer N --answers QUESTION`: writes an empty library, in a layer, that is checked, tested and listed as the
 * others are. Throws an `Error` that says what cannot be, before anything is written.
 */
export async function libGenerator(tree: Tree, { name, layer, answers }: LibOptions): Promise<() => void> {
  const text = tree.read(layersPath, "utf8") ?? "";
  const table = JSON.parse(text) as { layers: string[][]; forTests: string[] };
  requireName(tree, name, [...table.layers.flat(), ...table.forTests]);
  const libraries = table.layers[layer];
  if (libraries === undefined)
    throw new Error(`there is no layer ${layer}: 0 to ${table.layers.length - 1}, the lowest first`);
  const below = table.layers.slice(0, layer).flat();
  tree.write(layersPath, withLibrary(text, libraries, name));
  tree.write(`libs/${name}/package.json`, manifest(name));
  tree.write(`libs/${name}/src/index.ts`, `/** All that others may use: export it here by name. */\nexport {};\n`);
  tree.write(`libs/${name}/README.md`, readme(name, answers, below));
  addToLockFile(tree, `libs/${name}`);
  addToReadme(tree, name, answers);
  return finish(tree, [
    "",
    `libs/${name} is in layer ${layer}: it may import what is below${below.length === 0 ? ", which is nothing" : ""}.`,
  ]);
}

/** The table with one library more in the layer that has these; the rest is as it was written. */
function withLibrary(text: string, libraries: readonly string[], name: string): string {
  const layer = new RegExp(`\\[\\s*${libraries.map((library) => `"${library}"`).join(",\\s*")}\\s*\\]`);
  if (!layer.test(text))
    throw new Error(`${layersPath} is not written as \`npm run format\` writes it: run that first`);
  return text.replace(layer, JSON.stringify([...libraries, name]));
}

function requireName(tree: Tree, name: string, libraries: readonly string[]): void {
  if (!/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/.test(name) || name.length > 30)
    throw new Error(`"${name}" cannot be a library's name: lower-case words with hyphens, such as rate-limit`);
  const { services, gateway } = servicesIn(tree);
  const taken = libraries.includes(name) || [...services, gateway].some((service) => service.name === name);
  if (taken || tree.exists(`libs/${name}`))
    throw new Error(`there is ${withArticle(name)} already: choose another name`);
  const lock = tree.read("package-lock.json", "utf8") ?? "";
  if (name.startsWith("tools-") || lock.includes(`"node_modules/@shoal/${name}"`))
    throw new Error(`there is a package @shoal/${name} already, or might be: choose another name`);
}

function manifest(name: string): string {
  return `${JSON.stringify(
    {
      name: `@shoal/${name}`,
      version: "0.1.0",
      private: true,
      type: "module",
      exports: "./src/index.ts",
      scripts: { test: "node ../../tools/repo/src/run-tests.ts" },
    },
    undefined,
    2,
  )}\n`;
}

function readme(name: string, answers: string, below: readonly string[]): string {
  const may = below.length === 0 ? "It imports no other library." : `It may import ${below.join(", ")}.`;
  return `# @shoal/${name}

${answers}

${may} One concept a file, named after it, its test beside it; \`src/index.ts\` exports what others may use.
`;
}

/** The table of libraries in the README; what only tests use stands last. */
function addToReadme(tree: Tree, name: string, answers: string): void {
  const text = tree.read("README.md", "utf8") ?? "";
  const last = text.indexOf("| [testkit](libs/testkit)");
  if (last === -1) return;
  tree.write("README.md", `${text.slice(0, last)}| [${name}](libs/${name}) | ${answers} |\n${text.slice(last)}`);
}
