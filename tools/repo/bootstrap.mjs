#!/usr/bin/env node
// Runs a TypeScript script of this repository under the pinned Node, installing the dependencies first where needed:
//   node tools/repo/bootstrap.mjs path/to/script.ts [arguments]
//
// Runs on Node 20 and newer and needs nothing installed. The script runs in a process group of its own: a Ctrl-C
// reaches only this process, which passes each signal on once. The script also has an IPC channel, whose 'disconnect'
// tells it that this process is gone, however it went (see src/parent.ts). This process ends as the script ends:
// with its exit code, or with 128 + the signal's number.
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { constants } from "node:os";
import { delimiter, join, resolve, sep } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

// npm passes on a terminal's Ctrl-C that has already come from the terminal itself: one press arrives twice.
const duplicateSignalWindowMs = 400;

const root = fileURLToPath(new URL("../..", import.meta.url));
const pinnedNode = join(root, "node_modules/.bin/node");
const lockFile = join(root, ".shoal/install.lock");

let child;
let stoppedBy;
forwardSignals();

const [script, ...args] = process.argv.slice(2);
if (script === undefined) fail("usage: node tools/repo/bootstrap.mjs path/to/script.ts [arguments]");
if (staleness() !== undefined) await installUnderLock();
const ended = await run(fs.realpathSync(pinnedNode), [resolve(root, script), ...args], {
  detached: true,
  stdio: ["inherit", "inherit", "inherit", "ipc"],
});
process.exit(ended.signal === null ? ended.code : 128 + constants.signals[ended.signal]);

/** Says what has to be made before a script can run, or undefined. */
function staleness() {
  const installed = readLock("node_modules/.package-lock.json");
  if (installed === undefined || !fs.existsSync(pinnedNode)) return { what: "dependencies", why: "are not installed" };
  if (!matches(readLock("package-lock.json"), installed)) {
    return { what: "dependencies", why: "do not match package-lock.json" };
  }
  if (fs.existsSync(join(root, "buf.gen.yaml"))) {
    const made = times("libs/contracts/third-party/.made");
    if (made.length === 0) return { what: "contracts", why: "are not generated" };
    const sources = ["proto", "buf.gen.yaml", "tools/contracts/src"].flatMap(times);
    sources.push(...appTimes());
    if (Math.max(...sources) > Math.max(...made)) return { what: "contracts", why: "are older than their sources" };
  }
}

/** Brings what is stale up to date, unless another process of this checkout does so meanwhile. */
async function installUnderLock() {
  const unlock = await lock();
  if (staleness()?.what === "dependencies") await install(staleness(), ["ci"]);
  if (staleness()?.what === "contracts") await install(staleness(), ["run", "generate"]);
  unlock();
}

async function install({ what, why }, npmArgs) {
  const command = `npm ${npmArgs.join(" ")}`;
  console.error(`The ${what} ${why}: running \`${command}\`.`);
  const progress = process.stderr.isTTY ? "inherit" : "pipe";
  const options = { cwd: root, env: outerEnvironment(), stdio: ["ignore", "pipe", progress] };
  const { code, signal, output } = await run("npm", npmArgs, options);
  exitIfStopped();
  if (code === 0) return;
  console.error(output.trimEnd());
  fail(`\`${command}\` failed (${signal ?? `exit code ${code}`}), so nothing was run.`);
}

/** Reads the packages of a lock file; undefined when there is none. */
function readLock(path) {
  try {
    return JSON.parse(fs.readFileSync(join(root, path), "utf8")).packages;
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Whether what is installed is what the lock file says. Packages for other platforms may be missing. */
function matches(wanted, installed) {
  const same = (a, b) => a.version === b.version && a.integrity === b.integrity && a.link === b.link;
  return (
    Object.entries(wanted).every(([path, entry]) => {
      if (path === "") return true;
      const found = installed[path];
      return found === undefined ? entry.optional === true || entry.devOptional === true : same(entry, found);
    }) && Object.keys(installed).every((path) => path in wanted)
  );
}

/** When a file, or a folder and everything below it, last changed. */
function times(path) {
  const at = join(root, path);
  if (!fs.existsSync(at)) return [];
  const stat = fs.statSync(at);
  if (!stat.isDirectory()) return [stat.mtimeMs];
  return [stat.mtimeMs, ...fs.readdirSync(at).flatMap((name) => times(join(path, name)))];
}

/** When an app came or went, and when one last said of itself what others must know: the contracts' code lists them. */
function appTimes() {
  const apps = join(root, "apps");
  if (!fs.existsSync(apps)) return [];
  const manifests = fs.readdirSync(apps).flatMap((name) => times(join("apps", name, "package.json")));
  return [fs.statSync(apps).mtimeMs, ...manifests];
}

/** Waits until this process alone may install. A lock whose owner has died is taken over. */
async function lock() {
  fs.mkdirSync(join(root, ".shoal"), { recursive: true });
  const mine = `${lockFile}.${process.pid}`;
  fs.writeFileSync(mine, String(process.pid));
  process.once("exit", () => fs.rmSync(mine, { force: true }));
  for (let told = false; !tryLock(mine); await sleep(200)) {
    exitIfStopped();
    if (!told) console.error(`Waiting for another install to end (its process id is in ${lockFile}).`);
    told = true;
  }
  const unlock = () => fs.rmSync(lockFile, { force: true });
  process.once("exit", unlock);
  return () => {
    process.off("exit", unlock);
    unlock();
  };
}

/** Takes the lock, in one step: a linked file is never seen without the process id in it. */
function tryLock(mine) {
  try {
    fs.linkSync(mine, lockFile);
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
  }
  try {
    if (!isAlive(Number(fs.readFileSync(lockFile, "utf8")))) fs.unlinkSync(lockFile);
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
  return false;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** The environment without what the outer `npm run` added: the Node under node_modules is about to be replaced. */
function outerEnvironment() {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));
  const inInstall = (path) =>
    path.includes(`${sep}node_modules${sep}.bin`) || path.startsWith(join(root, "node_modules"));
  env.PATH = (env.PATH ?? "")
    .split(delimiter)
    .filter((path) => !inInstall(path))
    .join(delimiter);
  return env;
}

/** Runs a process to its end. Signals that come meanwhile are passed on to it. */
function run(command, args, options) {
  return new Promise((done) => {
    let output = "";
    child = spawn(command, args, options);
    child.stdout?.on("data", (data) => (output += data));
    child.stderr?.on("data", (data) => (output += data));
    child.on("error", (error) => fail(`cannot run ${command}: ${error.message}`));
    child.on("close", (code, signal) => {
      child = undefined;
      done({ code, signal, output });
    });
  });
}

function forwardSignals() {
  const last = new Map();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      const now = performance.now();
      const duplicate = now - (last.get(signal) ?? Number.NEGATIVE_INFINITY) < duplicateSignalWindowMs;
      last.set(signal, now);
      if (duplicate) return;
      stoppedBy = signal;
      child?.kill(signal);
    });
  }
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

function exitIfStopped() {
  if (stoppedBy !== undefined) process.exit(128 + constants.signals[stoppedBy]);
}
