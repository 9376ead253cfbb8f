import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { lastingPort } from "@shoal/testkit/lasting-port";
import { parse, stringify } from "yaml";
import { CheckError } from "./binaries.ts";
import { files } from "./files.ts";

/** Where an instance of a service is asked for its metrics. */
export interface Target {
  readonly service: string;
  readonly adminAddress: string;
}

/** One series as Prometheus answers it. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  /** At each moment, or at one. */
  readonly values: readonly number[];
}

/** A rule as Prometheus has evaluated it. */
export interface RuleState {
  readonly name: string;
  readonly health: "ok" | "err" | "unknown";
  readonly lastError?: string;
  /** Of an alert. */
  readonly state?: "firing" | "pending" | "inactive";
}

/** What is read of Prometheus's configuration here. */
interface PrometheusConfig {
  readonly rule_files: readonly string[];
  readonly scrape_configs: readonly Readonly<Record<string, unknown>>[];
}

/** How long Prometheus may take to start, in milliseconds. */
const startTimeoutMs = 30_000;

/**
 * A real Prometheus that runs the rules of deploy/observability and asks these instances, each second. Everything else is as
 * in prometheus.yml. What it keeps is in `folder`. Disposing of it ends it.
 */
export class Prometheus implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #url: string;
  #output = "";

  private constructor(process: ChildProcess, url: string) {
    this.#process = process;
    this.#url = url;
    for (const stream of [process.stdout, process.stderr]) stream?.on("data", (data) => (this.#output += data));
  }

  static async start(folder: string, targets: readonly Target[]): Promise<Prometheus> {
    const config = join(folder, "prometheus.yml");
    writeFileSync(config, configFor(targets));
    const address = `127.0.0.1:${await lastingPort()}`;
    const child = spawn(
      "prometheus",
      [
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(folder, "data")}`,
        `--web.listen-address=${address}`,
        "--log.level=warn",
      ],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    process.on("exit", () => child.kill("SIGKILL"));
    const prometheus = new Prometheus(child, `http://${address}`);
    await prometheus.#ready();
    return prometheus;
  }

  /** What an expression is worth now. Rejects with a `CheckError` where Prometheus does not take it. */
  async query(query: string): Promise<readonly Series[]> {
    const result = (await this.#get("query", { query })) as {
      readonly result: readonly { readonly metric: Series["metric"]; readonly value: readonly [number, string] }[];
    };
    return result.result.map(({ metric, value }) => ({ metric, values: [Number(value[1])] }));
  }

  /** What it was worth from then on, each second, in seconds since 1970. */
  async queryRange(query: string, start: number): Promise<readonly Series[]> {
    const range = { query, start: String(start), end: String(Date.now() / 1_000), step: "1" };
    const result = (await this.#get("query_range", range)) as {
      readonly result: readonly {
        readonly metric: Series["metric"];
        readonly values: readonly (readonly [number, string])[];
      }[];
    };
    return result.result.map(({ metric, values }) => ({ metric, values: values.map(([, value]) => Number(value)) }));
  }

  /** All rules and alerts. */
  async rules(): Promise<readonly RuleState[]> {
    const { groups } = (await this.#get("rules", {})) as {
      readonly groups: readonly { readonly rules: readonly RuleState[] }[];
    };
    return groups.flatMap(({ rules }) => rules);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    await Promise.race([ended, sleep(10_000, undefined, { ref: false })]);
    this.#process.kill("SIGKILL");
  }

  async #get(path: string, parameters: Readonly<Record<string, string>>): Promise<unknown> {
    const response = await fetch(`${this.#url}/api/v1/${path}?${new URLSearchParams(parameters)}`, {
      signal: AbortSignal.timeout(10_000),
    });
    const { status, data, error } = (await response.json()) as { status: string; data: unknown; error?: string };
    if (status !== "success") throw new CheckError(error ?? `Prometheus answered ${response.status}`);
    return data;
  }

  async #ready(): Promise<void> {
    const deadline = performance.now() + startTimeoutMs;
    while (this.#process.exitCode === null && performance.now() < deadline) {
      const answer = await fetch(`${this.#url}/-/ready`).catch(() => undefined);
      if (answer?.ok) return;
      await sleep(100);
    }
    await this[Symbol.asyncDispose]();
    throw new CheckError(`Prometheus has not started:\n${this.#output.trim()}`);
  }
}

/**
 * Our own prometheus.yml with whom it asks in it: the Prometheus of Debian 12 does not know `scrape_config_files` yet. To be
 * written to any folder.
 */
export function wholeConfig(): PrometheusConfig {
  const { scrape_config_files: _, ...config } = parse(readFileSync(files.prometheus, "utf8"));
  const { scrape_configs } = parse(readFileSync(files.scrapeConfigs, "utf8"));
  return { ...config, rule_files: [...files.rules], scrape_configs };
}

/** That, with the instances in place of the names by which DNS would know them. */
function configFor(targets: readonly Target[]): string {
  const config = wholeConfig();
  const static_configs = targets.map(({ service, adminAddress }) => ({
    targets: [adminAddress],
    labels: { __meta_dns_name: service },
  }));
  return stringify({
    ...config,
    global: { scrape_interval: "1s", evaluation_interval: "1s" },
    scrape_configs: config.scrape_configs.map(({ dns_sd_configs: _, ...scrape }) => ({ ...scrape, static_configs })),
  });
}
