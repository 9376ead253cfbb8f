// Behaves like a service, for the launcher's tests: takes HTTP/2 connections on its ports, says that it is ready, stops on
// SIGTERM or when its parent is gone. FIXTURE_<NAME>, in the environment, makes it misbehave.
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http2";
import { basename } from "node:path";

// The script is named as its service: tests link to it.
const name = basename(process.argv[1] ?? "", ".ts");
const setting = (key: string) => process.env[`SHOAL_${name.toUpperCase()}_${key}`] ?? "";
const misbehaviour = process.env[`FIXTURE_${name.toUpperCase()}`];
const database = setting("DATABASE_URL").replace("sqlite:", "");

const log = (level: string, msg: string, more: object = {}) =>
  console.log(JSON.stringify({ level, service: name, msg, ...more }));
const stop = (because: string) => {
  log("info", "stopping", { because, at: Date.now() });
  if (misbehaviour === "never stops") return;
  setTimeout(() => {
    log("info", "stopped", { at: Date.now() });
    process.exit(0);
  }, 20);
};
process.on("SIGTERM", () => stop("SIGTERM"));
process.once("disconnect", () => stop("the parent is gone"));

if (misbehaviour === "refuses") {
  log("fatal", `port ${setting("GRPC_PORT")} is in use by another program`);
  process.exit(1);
}
if (misbehaviour === "crashes") throw new Error("no such thing as a free lunch");
if (misbehaviour === "warns") log("warn", "mind the gap", { err: { message: "it is wide" } });

// How often this database has been opened.
let starts = 0;
try {
  starts = Number(readFileSync(database, "utf8"));
} catch {
  // The first time.
}
writeFileSync(database, String(starts + 1));

const [grpcPort, adminPort] = await Promise.all([listen(setting("GRPC_PORT")), listen(setting("ADMIN_PORT"))]);
const others = Object.entries(process.env).filter(([key]) => key.startsWith("SHOAL_") && key.endsWith("_ADDRESS"));
log("info", "ready", {
  others: Object.fromEntries(others),
  registry: setting("REGISTRY"),
  advertise: setting("ADVERTISE"),
  grpcPort,
  starts: starts + 1,
  at: Date.now(),
});
if (misbehaviour !== "never ready") process.send?.({ type: "ready", service: name, grpcPort, adminPort });

function listen(port: string): Promise<number> {
  const server = createServer();
  return new Promise((resolve) => {
    server.listen(Number(port || 0), "127.0.0.1", () => resolve((server.address() as { port: number }).port));
  });
}
