import type { Tree } from "nx/src/devkit-exports";
import { runTool } from "./tool.ts";

/**
 * What is left to do once the tree's changes are written: formats them, links packages, makes the contracts' code anew, and says
 * `says`, line by line. Needs no network. What it answers throws where a step fails.
 */
export function finish(tree: Tree, says: readonly string[]): () => void {
  const { root } = tree;
  const changes = tree.listChanges().filter(({ path }) => !path.startsWith(".shoal/"));
  const written = changes.flatMap(({ type, path }) => (type === "DELETE" ? [] : [path]));
  return () => finishIn(root, written, says);
}

function finishIn(root: string, written: readonly string[], says: readonly string[]): void {
  const sources = written.filter((path) => /\.(?:ts|json)$/.test(path) && path !== "package-lock.json");
  const protos = written.filter((path) => path.endsWith(".proto"));
  for (const proto of protos) run(root, "buf", "format", "-w", proto);
  // First, for it fails for nobody else's reason.
  if (sources.length > 0) run(root, "biome", "check", "--write", "--colors=off", ...sources);
  // npm's own links, so that what `npm start` compares with package-lock.json is up to date.
  run(root, "npm", "install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error");
  run(root, "node", "tools/repo/src/complete-lock.ts");
  run(root, "node", "tools/contracts/src/generate.ts");
  for (const line of says) console.log(line);
}

function run(root: string, command: string, ...args: string[]): void {
  try {
    runTool(root, command, ...args);
  } catch (error) {
    throw new Error(
      `${[command, ...args.slice(0, 3)].join(" ")} failed; the files are all written. Undo that with git (a new service: nx g remove-service NAME), or mend the cause and run \`npm run lock\`, \`npm run generate\` and \`npm run format\`:\n${(error as Error).message}`,
      { cause: error },
    );
  }
}
