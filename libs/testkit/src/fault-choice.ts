import type { Fault, FaultRule } from "./fault-rules.ts";

const healthService = "grpc.health.v1.Health";

/**
 * The fault that befalls a call to `path`, such as `/pkg.Service/Method`: that of the first rule that fits and whose share
 * includes it, by one number of `random` (0 to below 1) for each rule that fits and has a share. Rules for connections are
 * none for their calls.
 */
export function chooseFault(rules: readonly FaultRule[], path: string, random: () => number): Fault | undefined {
  return rules.find((rule) => !isForConnections(rule) && fits(rule, path) && befalls(rule, random))?.fault;
}

/** What becomes of one connection, new or standing: each rule that it meets is judged once, while that rule holds. */
export class ConnectionFate {
  readonly #verdicts = new WeakMap<FaultRule, boolean>();

  /**
   * Whether it is in a black hole: one of a rule that names no method. Needs a number of `random` (0 to below 1) for each
   * such rule that is new to it and has a share; tells `onStruck` when one that is new to it befalls it.
   */
  isSwallowed(rules: readonly FaultRule[], random: () => number, onStruck: () => void): boolean {
    return rules.some((rule) => {
      if (!isForConnections(rule)) return false;
      const known = this.#verdicts.get(rule);
      if (known !== undefined) return known;
      const isBefallen = befalls(rule, random);
      this.#verdicts.set(rule, isBefallen);
      if (isBefallen) onStruck();
      return isBefallen;
    });
  }
}

function isForConnections({ method, fault }: FaultRule): boolean {
  return method === undefined && "blackHole" in fault;
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
