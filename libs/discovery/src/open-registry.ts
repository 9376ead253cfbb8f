import { believing, defaultBelievingOptions } from "./believing.ts";
import { createDnsRegistry } from "./drivers/dns/dns-registry.ts";
import type { EtcdTls } from "./drivers/etcd/etcd-gateway.ts";
import { createEtcdRegistry, defaultEtcdRegistryOptions } from "./drivers/etcd/etcd-registry.ts";
import { createLocalRegistry } from "./drivers/local/local-registry.ts";
import { createStaticRegistry } from "./drivers/static/static-registry.ts";
import { type ProblemListener, warnOfProblem } from "./errors.ts";
import type { Registry } from "./registry.ts";
import { parseRegistryUrl, type RegistryUrl } from "./registry-url.ts";

/** What is the same for all drivers. */
export interface OpenRegistryOptions {
  /** As in {@link BelievingOptions}: how long an answer that is empty or much smaller is held, in milliseconds; 0: not. */
  readonly holdMs: number;
  /** etcd: how long an instance stays announced after its process is gone, in milliseconds, 1,000 to 3,600,000. */
  readonly ttlMs: number;
  /** For `etcds://`: whom to trust, unless those that Node trusts, and who we are. */
  readonly tls: EtcdTls;
  /** Told of what no caller waits for, such as an entry of others that cannot be read, and is skipped. */
  readonly onProblem: ProblemListener;
}

/** A hold of 15 s, 10 s to live, the authorities that Node trusts; problems become warnings of the process. */
export const defaultOpenRegistryOptions: OpenRegistryOptions = Object.freeze({
  holdMs: defaultBelievingOptions.holdMs,
  ttlMs: defaultEtcdRegistryOptions.ttlMs,
  tls: Object.freeze({}),
  onProblem: warnOfProblem,
});

/**
 * Opens the registry that a URL names (see {@link parseRegistryUrl}), watched with caution (see {@link believing}); a
 * static one as it is, for it cannot shrink. Connects to nothing yet. Throws when the URL cannot be used. The caller
 * closes it.
 */
export function openRegistry(url: string, options: Partial<OpenRegistryOptions> = {}): Registry {
  const all = { ...defaultOpenRegistryOptions, ...options };
  const parsed = parseRegistryUrl(url);
  const registry = openDriver(parsed, all);
  return parsed.driver === "static" ? registry : believing(registry, { holdMs: all.holdMs });
}

function openDriver(url: RegistryUrl, { ttlMs, tls, onProblem }: OpenRegistryOptions): Registry {
  switch (url.driver) {
    case "static":
      return createStaticRegistry(url.instances);
    case "local":
      return createLocalRegistry(url.at, { onProblem });
    case "etcd":
      return createEtcdRegistry({ ...url, tls: url.tls ? tls : undefined, ttlMs, onProblem });
    case "dns":
      return createDnsRegistry({ target: url.target, servers: url.servers });
  }
}
