import type { Fault, FaultRule } from "./fault-rules.ts";

const healthService = "grpc.health.v1.Health";

/**
 * The fault that befalls a call to `path`, such as `/pkg.Service/Method`: that of the first rule that fits and whose share
 * includes it, by one number of `random` (0 to below 1) for each rule that fits and has a share.
 */
export function chooseFault(rules: readonly FaultRule[], path: string, random: () => number): Fault | undefined {
  return rules.find((rule) => fits(rule, path) && befalls(rule, random))?.fault;
}

/** Whether a connection, new or not, falls into a black hole: one of a rule that names no method. */
export function swallowsConnection(rules: readonly FaultRule[], random: () => number): boolean {
  return rules.some((rule) => rule.method === undefined && "blackHole" in rule.fault && befalls(rule, random));
}

function fits({ method }: FaultRule, path: string): boolean {
  const [service, name] = path.replace(/^\//, "").split("/");
  const [wantedName, wantedService] = (method ?? "*").replace(/^\//, "").split("/").reverse();
  if (wantedService === undefined ? service === healthService : service !== wantedService) return false;
  return wantedName === "*" || name === wantedName;
}

function befalls({ share = 1 }: FaultRule, random: () => number): boolean {
  return share === 1 || random() < share;
}
