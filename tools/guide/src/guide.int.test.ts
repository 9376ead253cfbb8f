import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { readServices, repositoryRoot } from "@shoal/services";
import { compileCache, copyRepository, lastingPort } from "@shoal/testkit";
import { isShown, readGuide, type Step } from "./read-guide.ts";
import { ServicesTerminal, Terminal } from "./terminal.ts";

const path = "docs/build-a-service.md";

/** The guide's reader may take longer than other tests: it builds a service. */
const timeout = 600_000;

test(path, { timeout }, async (t) => {
  const services = new ServicesTerminal();
  // Before their folder is removed.
  t.after(() => services.close());
  const { root } = await copyRepository(t, repositoryRoot);
  const ports = new OtherPorts(root);
  const reader = readersEnvironment(root);
  const terminal = new Terminal({ cwd: root, env: reader });
  t.after(() => terminal.close());

  const perform = async (step: Step): Promise<void> => {
    switch (step.kind) {
      case "change":
        execFileSync("git", ["apply"], { cwd: root, input: step.diff, stdio: "pipe" });
        return;
      case "start": {
        const env = { ...reader, ...(await ports.settings()) };
        const isReady = (output: string) => isShown(step.shows, ports.asInGuide(stripVTControlCharacters(output)));
        return services.start(step.command, { cwd: root, env }, isReady);
      }
      case "stop":
        return services.stop();
      case "run": {
        const { succeeded, output } = await terminal.run(ports.asHere(step.commands), step.fails);
        const said = ports.asInGuide(stripVTControlCharacters(output));
        assert.equal(succeeded, !step.fails, `${step.commands}\n${step.fails ? "succeeded" : "failed"}:\n${said}`);
        if (step.shows !== undefined)
          assert.ok(isShown(step.shows, said), `the guide shows\n${step.shows}\nand it was\n${said}`);
      }
    }
  };

  let broken = false;
  const sections = readGuide(readFileSync(join(root, path), "utf8")).filter(({ steps }) => steps.length > 0);
  for (const { title, steps } of sections)
    await t.test(title, async (t) => {
      if (broken) return t.skip("a section before has failed");
      for (const step of steps) {
        broken = true;
        await perform(step).catch((error) => assert.fail(`${path}:${step.line}: ${error.message}`));
        broken = false;
      }
    });
});

/** The environment of a person's terminal: nothing in it is of this test, nor of what runs it. */
function readersEnvironment(root: string): NodeJS.ProcessEnv {
  const ours = /^(?:npm_|NX_|GIT_|SHOAL_(?!TEST_)|(?:NODE_TEST_CONTEXT|NODE_COMPILE_CACHE|FORCE_COLOR|INIT_CWD|CI)$)/i;
  const kept = Object.entries(process.env).filter(([name]) => !ours.test(name));
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => !folder.includes("node_modules"));
  return {
    ...Object.fromEntries(kept),
    PATH: folders.join(delimiter),
    NO_COLOR: "1",
    NX_DAEMON: "false",
    // Else all checkouts of a user share one: what was run elsewhere would not be run, and the copy's results would stay.
    NX_CACHE_DIRECTORY: join(root, ".nx/cache"),
    ...compileCache(root),
  };
}

/** Other ports than the standard ones of a repository's services, which somebody may use on this machine. */
class OtherPorts {
  readonly #root: string;
  readonly #others = new Map<number, number>();

  constructor(root: string) {
    this.#root = root;
  }

  /** The settings that have the services, as they are now, listen there. */
  async settings(): Promise<NodeJS.ProcessEnv> {
    const { services } = readServices(this.#root);
    const settings = services.flatMap(({ name, grpcPort }) => [
      [`SHOAL_${name.toUpperCase()}_GRPC_PORT`, grpcPort] as const,
      [`SHOAL_${name.toUpperCase()}_ADMIN_PORT`, grpcPort + 1_000] as const,
    ]);
    const entries = [["SHOAL_REGISTRY_PORT", 50_050] as const, ...settings];
    for (const [, port] of entries) if (!this.#others.has(port)) this.#others.set(port, await lastingPort());
    return Object.fromEntries(entries.map(([name, port]) => [name, String(this.#others.get(port))]));
  }

  /** A text of the guide with the ports that are used instead. */
  asHere(text: string): string {
    return text.replaceAll(/\b\d{5}\b/g, (port) => String(this.#others.get(Number(port)) ?? port));
  }

  /** What was said, with the ports that the guide shows. */
  asInGuide(text: string): string {
    const standard = new Map([...this.#others].map(([port, other]) => [String(other), String(port)]));
    return text.replaceAll(/\b\d{5}\b/g, (port) => standard.get(port) ?? port);
  }
}
