import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Notes where the fault proxies of the stack that runs in the folder `home` are controlled, by instance. */
export function writeFaultControls(home: string, addresses: ReadonlyMap<string, string>): void {
  mkdirSync(home, { recursive: true });
  writeFileSync(fileIn(home), `${JSON.stringify(Object.fromEntries(addresses))}\n`);
}

/** What is noted; `undefined` where no stack with fault proxies runs. */
export function readFaultControls(home: string): ReadonlyMap<string, string> | undefined {
  try {
    return new Map(Object.entries(JSON.parse(readFileSync(fileIn(home), "utf8")) as Record<string, string>));
  } catch {
    // None, or left half written: then nothing is known.
    return undefined;
  }
}

/** Takes the note away; nothing where there is none. */
export function removeFaultControls(home: string): void {
  rmSync(fileIn(home), { force: true });
}

function fileIn(home: string): string {
  return join(home, "faults.json");
}
