import { allHold, checkInvariants, formatFindings } from "@shoal/invariants";
import type { StartedServices } from "./start-services.ts";

/** Checks what a bench has left in the databases of its services, which may run. Throws an `Error` that says what does not hold. */
export async function requireInvariants(databases: StartedServices["databases"]): Promise<void> {
  const began = performance.now();
  const findings = await checkInvariants({ ...databases, settled: false, overdueMs: 60_000 });
  if (!allHold(findings))
    throw new Error(`invariants are violated:\n${formatFindings(findings, performance.now() - began)}`);
}
