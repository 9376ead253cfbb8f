import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { promisify } from "node:util";
import { createContext, runWithContext } from "@shoal/kernel";
import { createLogger } from "./logger.ts";

function collect() {
  const lines: Record<string, unknown>[] = [];
  return { lines, destination: { write: (line: string) => void lines.push(JSON.parse(line)) } };
}

test("writes one JSON object a line with time, level and service", () => {
  const { lines, destination } = collect();
  createLogger("order", "info", destination).info({ orderId: "o1" }, "order placed");
  const { time, ...rest } = lines[0] ?? {};
  assert.deepEqual(rest, { level: "info", service: "order", orderId: "o1", msg: "order placed" });
  assert.match(String(time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
});

test("adds the request id of the call that is being served", () => {
  const { lines, destination } = collect();
  const log = createLogger("order", "info", destination);
  const context = createContext({ requestId: "r-7" });
  runWithContext(context, () => log.info("inside"));
  log.info("outside");
  assert.deepEqual(
    lines.map((line) => line["requestId"]),
    ["r-7", undefined],
  );
});

test("keeps the stack of an error and of its cause", () => {
  const { lines, destination } = collect();
  const error = new Error("outer", { cause: new Error("inner") });
  createLogger("order", "info", destination).error({ err: error }, "it failed");
  const [line] = lines as { err: { stack: string } }[];
  assert.match(line?.err.stack ?? "", /outer[\s\S]*inner/);
});

test("drops the statement, with the values in it, from a database driver's error", () => {
  const { lines, destination } = collect();
  const error = Object.assign(new Error("Unknown column"), { sql: "insert … 'ada@example.com'", errno: 1054 });
  createLogger("user", "info", destination).error({ err: error }, "it failed");
  assert.equal(JSON.stringify(lines).includes("ada@example.com"), false);
  assert.equal((lines[0]?.["err"] as { errno: number } | undefined)?.errno, 1054);
});

test("secrets and personal data are not written", () => {
  const { lines, destination } = collect();
  createLogger("user", "info", destination).info(
    { email: "ada@example.com", request: { token: "t-1", sku: "TEA" } },
    "x",
  );
  assert.equal(lines[0]?.["email"], "[redacted]");
  assert.deepEqual(lines[0]?.["request"], { token: "[redacted]", sku: "TEA" });
});

test("lines come out of a process that ends in whatever way it can, warnings at once", async () => {
  const logger = JSON.stringify(new URL("./logger.ts", import.meta.url).href);
  const run = async (ending: string) => {
    const script = `const { createLogger } = await import(${logger});
      const log = createLogger("order", "info");
      log.info("first");
      ${ending}`;
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]).catch(
      (error: { stdout: string }) => error,
    );
    return stdout.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line).msg]));
  };
  assert.deepEqual(await run("process.exit(0);"), ["first"]);
  assert.deepEqual(await run("throw new Error('x');"), ["first"]);
  assert.deepEqual(await run("log.warn('second'); process.kill(process.pid, 'SIGKILL');"), ["first", "second"]);
});

test("a terminal gets lines for people, with what they say first, private fields hidden there too", async () => {
  const logger = JSON.stringify(new URL("./logger.ts", import.meta.url).href);
  const script = `
    import { createLogger } from ${logger};
    const log = createLogger("order", "info");
    log.info({ orderId: "o1", email: "ada@example.com" }, "order placed");
    log.warn({ err: new Error("the reason") }, "look here");`;
  const node = [process.execPath, "--input-type=module-typescript", "--eval", script]
    .map((arg) => `'${arg}'`)
    .join(" ");
  // A program that gives another one a terminal.
  const { stdout } = await promisify(execFile)("script", ["-qec", node, "/dev/null"], {
    env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: undefined },
  });
  const [first = "", second = "", ...stack] = stdout.split("\r\n");
  assert.match(
    first,
    /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: order: order placed \{"orderId":"o1","email":"\[redacted\]"\}$/,
  );
  assert.match(second, /^\[.*\] WARN: order: look here/);
  assert.match(stack.join("\n"), /the reason[\s\S]*at /);
});

test("what a database server has said of an error is not written, and nor are private fields of a child", () => {
  const { lines, destination } = collect();
  const log = createLogger("user", "info", destination);
  const said = "Duplicate entry 'ada@example.com' for key 'users.email'";
  const cause = Object.assign(new Error(said), { code: "ER_DUP_ENTRY", sqlMessage: said });
  log.child({ email: "ada@example.com", order: "o1" }).error({ err: new Error("it is there", { cause }) }, "it failed");
  assert.equal(JSON.stringify(lines).includes("ada@example.com"), false);
  assert.equal(lines[0]?.["order"], "o1");
  assert.match(JSON.stringify(lines[0]?.["err"]), /it is there: \[redacted\]/);
});

/** Runs a script that logs, whose output goes where `shell` says, and answers what it says besides, and its exit code. */
async function logInto(shell: string): Promise<{ readonly code: number | null; readonly said: string }> {
  const logger = JSON.stringify(new URL("./logger.ts", import.meta.url).href);
  const script = `
    const { createLogger } = await import(${logger});
    const log = createLogger("order", "info");
    for (let n = 0; n < 3; n += 1) {
      log.info("before");
      log.warn("look here");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    log.info("last");
    console.error("it goes on");
    process.exit(3);`;
  const env = { ...process.env, NODE: process.execPath, SCRIPT: script };
  const child = spawn("bash", ["-c", shell], { env, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (data) => (said += data));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, said };
}

for (const [what, shell] of [
  ["on a disk that is full", '"$NODE" --input-type=module -e "$SCRIPT" > /dev/full'],
  ["where nobody reads any more", 'set -o pipefail; "$NODE" --input-type=module -e "$SCRIPT" | true'],
] as const)
  test(`lines that cannot be written, ${what}, hold up neither the service nor its end`, {
    timeout: 20_000,
  }, async () => {
    assert.deepEqual(await logInto(shell), { code: 3, said: "it goes on\n" });
  });
