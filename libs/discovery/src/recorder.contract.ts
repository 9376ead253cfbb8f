import { until } from "@shoal/testkit";
import type { Instance, RegistryListener } from "./registry.ts";

/** Keeps what a watcher is told. */
export class Recorder implements RegistryListener {
  latest: readonly Instance[] | undefined;
  /** How often it was told of instances. */
  count = 0;
  readonly errors: Error[] = [];

  onInstances(instances: readonly Instance[]): void {
    this.latest = instances;
    this.count += 1;
  }

  onError(error: Error): void {
    this.errors.push(error);
  }

  /** The latest addresses, sorted; undefined before the first answer. */
  get addresses(): readonly string[] | undefined {
    return this.latest?.map(({ address }) => address).sort();
  }

  /** Waits until these are the addresses, in whatever order. Rejects, with what they are instead, after `timeoutMs`. */
  async untilAddresses(...expected: readonly string[]): Promise<void> {
    await this.untilAddressesWithin(15_000, ...expected);
  }

  async untilAddressesWithin(timeoutMs: number, ...expected: readonly string[]): Promise<void> {
    const wanted = [...expected].sort().join();
    await until(
      `addresses ${wanted || "none"}`,
      () => {
        if (this.addresses?.join() === wanted) return true;
        throw new Error(`told ${this.addresses?.join() ?? "nothing"}`, { cause: this.errors.at(-1) });
      },
      timeoutMs,
    );
  }
}
