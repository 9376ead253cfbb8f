import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { LivePolicies, type PolicyOverrides, parsePolicies } from "@shoal/rpc";
import type { Logger } from "@shoal/telemetry";

/** How often the file is read, in milliseconds. Watching would miss what is replaced by a link, as Kubernetes does it. */
const reloadMs = 2_000;

/**
 * What the file at `path` sets otherwise than `base` does, and goes on to set when it changes: a policy's fields that the
 * file has win over those of `base`. What cannot be read or used changes nothing and is logged, once for each change of the
 * file. States: watching → stopped. It does not keep the process; the caller stops it. Throws an `Error` that names the
 * file when that is no good to begin with.
 */
export class PoliciesFile {
  /** What holds now. */
  readonly policies: LivePolicies;
  readonly #path: string;
  readonly #base: PolicyOverrides;
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout;
  #text: string | undefined;
  #isReading = false;
  #isStopped = false;

  constructor(path: string, base: PolicyOverrides, log: Logger) {
    this.#path = path;
    this.#base = base;
    this.#log = log;
    try {
      this.#text = readFileSync(path, "utf8");
      this.policies = new LivePolicies(merged(base, parsePolicies(this.#text)));
    } catch (error) {
      // Without its cause, whose text stands in it already.
      throw new Error(`policies from the file ${path}: ${messageOf(error)}`);
    }
    this.#timer = setInterval(() => void this.reload(), reloadMs).unref();
  }

  /** Reads the file now, unless it is being read. */
  async reload(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    const text = await readFile(this.#path, "utf8").catch(() => undefined);
    this.#isReading = false;
    if (this.#isStopped || text === this.#text) return;
    this.#text = text;
    const file = this.#path;
    if (text === undefined)
      return this.#log.warn({ file }, "the policies' file cannot be read; those that were set stay");
    try {
      const policies = merged(this.#base, parsePolicies(text));
      this.policies.replace(policies);
      this.#log.info({ file, policies }, "policies have changed");
    } catch (error) {
      this.#log.warn({ file, problem: messageOf(error) }, "the policies' file is no good; those that were set stay");
    }
  }

  /** Reads it no more. May be called again. */
  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#timer);
  }
}

function merged(base: PolicyOverrides, over: PolicyOverrides): PolicyOverrides {
  const paths = new Set([...Object.keys(base), ...Object.keys(over)]);
  return Object.fromEntries([...paths].map((path) => [path, { ...base[path], ...over[path] }]));
}

function messageOf(error: unknown): string {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return "there is no such file";
  return error instanceof Error ? error.message : String(error);
}
