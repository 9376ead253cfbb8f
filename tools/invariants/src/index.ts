export { type CheckOptions, checkInvariants } from "./check.ts";
export type { Finding } from "./finding.ts";
