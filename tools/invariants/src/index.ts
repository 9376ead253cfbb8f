export { type CheckOptions, checkInvariants, InvariantChecker } from "./check.ts";
export type { Finding, InvariantName } from "./finding.ts";
export { allHold, formatFindings } from "./report.ts";
export { SnapshotError } from "./snapshot.ts";
