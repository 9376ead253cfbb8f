import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { temporaryDirectory } from "@shoal/testkit";

// Says each signal it gets; ends 300 ms after the first, with exit code 7; says when its parent is gone.
const script = `
import { appendFileSync } from "node:fs";
const say = (word: string) => { appendFileSync(process.argv[2] ?? "", word + "\\n"); console.log(word); };
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => { say(signal); setTimeout(() => process.exit(7), 300); });
}
process.on("disconnect", () => { say("disconnect"); process.exit(); });
setTimeout(() => process.exit(9), 20_000);
say("ready");
`;

/** A checkout of its own: bootstrap.mjs, a package-lock.json whose only package is the pinned Node, and scripts. */
async function checkout(t: TestContext): Promise<string> {
  const root = await temporaryDirectory(t);
  const write = (path: string, content: string) => {
    mkdirSync(join(root, path, ".."), { recursive: true });
    writeFileSync(join(root, path), content);
  };
  cpSync(join(import.meta.dirname, "../bootstrap.mjs"), join(root, "tools/repo/bootstrap.mjs"));
  write("node/package.json", JSON.stringify({ name: "node", version: "24.0.0", bin: { node: "node" } }));
  symlinkSync(process.execPath, join(root, "node/node"));
  // `exec`, as in the repository's own scripts: npm signals the shell it starts, and a shell passes no signal on.
  const start = "exec node tools/repo/bootstrap.mjs script.ts said.txt";
  const manifest = { name: "checkout", version: "0.0.0", dependencies: { node: "file:node" } };
  write("package.json", JSON.stringify({ ...manifest, type: "module", scripts: { start } }));
  const packages = { "": manifest, node: { version: "24.0.0", bin: { node: "node" } } };
  const link = { "node_modules/node": { resolved: "node", link: true } };
  write("package-lock.json", JSON.stringify({ ...manifest, lockfileVersion: 3, packages: { ...packages, ...link } }));
  write(".npmrc", "loglevel=error\n");
  write("script.ts", script);
  write("exit.ts", "process.exit(Number(process.argv[2]));");
  write("signal.ts", `process.kill(process.pid, "SIGKILL");`);
  return root;
}

interface Run {
  readonly process: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

function start(t: TestContext, root: string, command: string, ...args: string[]): Run {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn(command, args, { cwd: root, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
  t.after(() => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
  });
  const ended = once(child, "close").then(([code, signal]) => signal ?? code);
  return { process: child, output: () => output, ended };
}

const bootstrap = (t: TestContext, root: string, ...args: string[]) =>
  start(t, root, process.execPath, "tools/repo/bootstrap.mjs", ...args);

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let waited = 0; !condition(); waited += 20) {
    assert.ok(waited < 20_000, what);
    await sleep(20);
  }
}

const ready = (run: Run) => until(() => run.output().includes("ready"), `not ready: ${run.output()}`);
const said = (run: Run) => run.output().match(/^(SIG[A-Z]+|disconnect)$/gm) ?? [];

test("installs what is missing, once, and says so in one line", async (t) => {
  const root = await checkout(t);
  const first = bootstrap(t, root, "exit.ts", "0");
  assert.equal(await first.ended, 0);
  assert.equal(first.output(), "The dependencies are not installed: running `npm ci`.\n");
  const second = bootstrap(t, root, "exit.ts", "0");
  assert.equal(await second.ended, 0);
  assert.equal(second.output(), "");
});

test("two at once install once", async (t) => {
  const root = await checkout(t);
  const runs = [bootstrap(t, root, "exit.ts", "0"), bootstrap(t, root, "exit.ts", "0")];
  assert.deepEqual(await Promise.all(runs.map((run) => run.ended)), [0, 0]);
  const output = runs.map((run) => run.output()).join("");
  assert.equal(output.match(/npm ci/g)?.length, 1, output);
});

test("takes over the lock of a process that has died", async (t) => {
  const root = await checkout(t);
  const dead = spawn(process.execPath, ["-e", ""]);
  await once(dead, "exit");
  mkdirSync(join(root, ".shoal"));
  writeFileSync(join(root, ".shoal/install.lock"), String(dead.pid));
  assert.equal(await bootstrap(t, root, "exit.ts", "0").ended, 0);
});

test("an install that fails is shown, and nothing is run", async (t) => {
  const root = await checkout(t);
  writeFileSync(
    join(root, "package.json"),
    JSON.stringify({ dependencies: { node: "file:node", other: "file:other" } }),
  );
  const run = bootstrap(t, root, "exit.ts", "0");
  assert.equal(await run.ended, 1);
  assert.match(run.output(), /^The dependencies are not installed: running `npm ci`\.\nnpm error/);
  assert.match(run.output(), /`npm ci` failed \(exit code \d+\), so nothing was run\.\n$/);
});

test("ends with the script's exit code, or 128 and its signal's number", async (t) => {
  const root = await checkout(t);
  assert.equal(await bootstrap(t, root, "exit.ts", "0").ended, 0);
  assert.equal(await bootstrap(t, root, "exit.ts", "42").ended, 42);
  assert.equal(await bootstrap(t, root, "signal.ts").ended, 128 + 9);
});

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  test(`passes on ${signal} and waits for the script`, async (t) => {
    const root = await checkout(t);
    const run = bootstrap(t, root, "script.ts", "said.txt");
    await ready(run);
    run.process.kill(signal);
    assert.equal(await run.ended, 7);
    assert.deepEqual(said(run), [signal]);
  });
}

test("the repository's scripts put bootstrap in the place of npm's shell", () => {
  const manifest = JSON.parse(readFileSync(join(import.meta.dirname, "../../../package.json"), "utf8"));
  for (const [name, command] of Object.entries<string>(manifest.scripts)) {
    if (command.includes("bootstrap.mjs")) assert.match(command, /^exec node /, name);
  }
});

test("a Ctrl-C on the whole group under npm run reaches the script once", async (t) => {
  const root = await checkout(t);
  await bootstrap(t, root, "exit.ts", "0").ended;
  const run = start(t, root, "npm", "run", "start");
  await ready(run);
  process.kill(-(run.process.pid ?? 0), "SIGINT");
  assert.equal(await run.ended, 7);
  assert.deepEqual(said(run), ["SIGINT"]);
});

test("a second Ctrl-C is passed on too", async (t) => {
  const root = await checkout(t);
  writeFileSync(join(root, "script.ts"), script.replace("300", "1500"));
  const run = bootstrap(t, root, "script.ts", "said.txt");
  await ready(run);
  run.process.kill("SIGINT");
  await sleep(700);
  run.process.kill("SIGINT");
  assert.equal(await run.ended, 7);
  assert.deepEqual(said(run), ["SIGINT", "SIGINT"]);
});

test("SIGTERM to npm alone ends the script", async (t) => {
  const root = await checkout(t);
  await bootstrap(t, root, "exit.ts", "0").ended;
  const run = start(t, root, "npm", "run", "start");
  await ready(run);
  run.process.kill("SIGTERM");
  await run.ended;
  assert.deepEqual(said(run), ["SIGTERM"]);
});

test("the script notices when bootstrap is killed", async (t) => {
  const root = await checkout(t);
  const run = bootstrap(t, root, "script.ts", "said.txt");
  await ready(run);
  run.process.kill("SIGKILL");
  await run.ended;
  assert.deepEqual(said(run), ["disconnect"]);
});
