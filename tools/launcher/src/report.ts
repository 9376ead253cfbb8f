import { styleText } from "node:util";
import type { ServiceRecord } from "./home.ts";
import type { LogLine } from "./log-line.ts";
import type { ServiceEnd } from "./service-process.ts";
import { describeEnd, type ServiceAddress } from "./stack.ts";

// What the launcher says on the terminal: progress on standard output, trouble on standard error. Colours are left out
// where there is no terminal, or with NO_COLOR.

export function reportReady({ name, grpcAddress, startedInMs }: ServiceAddress): void {
  console.log(`${styleText("green", name)} is ready on ${grpcAddress} (${seconds(startedInMs)})`);
}

export function reportWarning(service: string, { level, message }: LogLine): void {
  const colour = level === "warn" ? "yellow" : "red";
  console.error(`${styleText(colour, `${service}: ${level}:`, { stream: process.stderr })} ${message}`);
}

export function reportDeath(end: ServiceEnd): void {
  reportTrouble(`${end.service} died: ${describeEnd(end)}`);
}

export function reportTrouble(message: string): void {
  console.error(styleText("red", message, { stream: process.stderr }));
}

/** A setting that nothing reads. */
export function reportUnknown(setting: string): void {
  console.error(
    styleText("yellow", `${setting} sets nothing: there is no service of that name`, { stream: process.stderr }),
  );
}

export function reportWait(services: readonly ServiceRecord[]): void {
  const named = services.map(({ name, pid }) => `${name} (process ${pid})`).join(", ");
  console.log(`Waiting for services of an earlier run to end: ${named}.`);
}

/** What `--fresh` did not delete. */
export function reportKept(service: string): void {
  console.log(
    `--fresh left the database of ${service} as it was: SHOAL_${service.toUpperCase()}_DATABASE_URL names it.`,
  );
}

/** Where each fault proxy is controlled. */
export function reportFaults(controls: ReadonlyMap<string, string>): void {
  const rows = [...controls].map(([name, address]) => [name, `http://${address}/faults`]);
  console.log(`\n${table([["faults of", "are set at"], ...rows])}\n\nnpm run faults -- --help says how.`);
}

/** The addresses, a call to try, and the line that says that all is up. */
export function reportRunning(
  services: readonly ServiceAddress[],
  {
    home,
    registryUrl,
    tookMs,
  }: { readonly home: string; readonly registryUrl: string | undefined; readonly tookMs: number },
): void {
  const rows = services.map(({ name, grpcAddress, adminAddress, pid }) => [
    name,
    grpcAddress,
    `http://${adminAddress}`,
    String(pid),
  ]);
  console.log(`\n${table([["service", "gRPC", "admin", "process"], ...rows])}\n`);
  const user = services.find(({ name }) => name === "user");
  if (user !== undefined) console.log(`Try it:\n${styleText("bold", exampleCall(user.grpcAddress))}\n`);
  console.log(`The registry is ${registryUrl}. Data and logs are in ${home}. Ctrl-C stops.`);
  console.log(`${styleText("green", "shoal is ready")} (${seconds(tookMs)})`);
}

export function reportStopping(): void {
  console.log("Stopping: calls at work may finish. Ctrl-C again ends them.");
}

export function reportStopped(): void {
  console.log("Stopped.");
}

function exampleCall(address: string): string {
  const request = { email: "ada@example.com", display_name: "Ada Lovelace" };
  const method = `http://${address}/shoal.user.v1.UserService/CreateUser`;
  return `npx buf curl --protocol grpc --http2-prior-knowledge -d '${JSON.stringify(request)}' ${method}`;
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const line = (row: readonly string[]) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ");
  return rows.map((row) => line(row).trimEnd()).join("\n");
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
