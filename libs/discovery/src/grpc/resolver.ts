import { type ChannelOptions, experimental, Metadata, status } from "@grpc/grpc-js";
import type { Instance, Registry } from "../registry.ts";

/** Channel options that are ours alone: connections do not differ by them. */
export const optionPrefix = `${experimental.SUBCHANNEL_ARGS_EXCLUDE_KEY_PREFIX}.shoal`;

/** The channel option that holds the {@link Registry} of a channel to `shoal:///<service>`. */
export const registryOption = `${optionPrefix}.registry`;

/** The attribute that hands the instances, by address, on to the balancer. */
export const instancesAttribute = `${optionPrefix}.instances`;

/** How long a registry may take to answer before calls fail for want of it, in milliseconds. */
const firstAnswerMs = 2_000;

/**
 * Resolves `shoal:///<service>` by watching the registry in the channel's options: each change is pushed to the balancer.
 * While the registry has not answered yet, calls wait up to 2 s and then fail with UNAVAILABLE and its reason.
 * States: resting ⇄ watching.
 */
class RegistryResolver implements experimental.Resolver {
  readonly #service: string;
  readonly #registry: Registry;
  readonly #listener: experimental.ResolverListener;
  #unwatch: (() => void) | undefined;
  #known = false;

  constructor(target: experimental.GrpcUri, listener: experimental.ResolverListener, options: ChannelOptions) {
    this.#service = serviceOf(target);
    this.#listener = listener;
    this.#registry = options[registryOption];
  }

  static getDefaultAuthority(target: experimental.GrpcUri): string {
    return serviceOf(target);
  }

  updateResolution(): void {
    // What changes is pushed.
    this.#unwatch ??= this.#watch();
  }

  destroy(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#known = false;
  }

  #watch(): () => void {
    const late = new Error(`it has not answered within ${firstAnswerMs / 1_000} s`);
    const timer = setTimeout(() => this.#fail(late), firstAnswerMs);
    timer.unref();
    let ended = false;
    const unwatch = this.#registry.watch(this.#service, {
      // grpc-js wants to hear nothing before it has got through with asking.
      onInstances: (instances) => {
        clearTimeout(timer);
        process.nextTick(() => ended || this.#tell(instances));
      },
      onError: (error) => process.nextTick(() => ended || this.#fail(error)),
    });
    return () => {
      ended = true;
      clearTimeout(timer);
      unwatch();
    };
  }

  #tell(instances: readonly Instance[]): void {
    this.#known = true;
    const byAddress = newestByAddress(instances);
    const endpoints = [...byAddress.keys()].map((address) => ({ addresses: [parseAddress(address)] }));
    const note = endpoints.length === 0 ? `the registry knows no instance of ${this.#service}` : "";
    this.#listener(experimental.statusOrFromValue(endpoints), { [instancesAttribute]: byAddress }, null, note);
  }

  /** Of no use to whoever knows instances: those are the best there is. */
  #fail(error: Error): void {
    if (this.#known) return;
    const details = `the registry cannot say where ${this.#service} is: ${error.message}`;
    const failure = experimental.statusOrFromError<experimental.Endpoint[]>({
      code: status.UNAVAILABLE,
      details,
      metadata: new Metadata(),
    });
    this.#listener(failure, {}, null, "");
  }
}

function serviceOf({ path }: experimental.GrpcUri): string {
  return path.replace(/^\//, "");
}

/** Of two instances at one address the older one is gone, even if the registry has not noticed yet. */
function newestByAddress(instances: readonly Instance[]): ReadonlyMap<string, Instance> {
  const found = new Map<string, Instance>();
  for (const instance of instances) {
    const other = found.get(instance.address);
    if (other === undefined || other.startedAt < instance.startedAt) found.set(instance.address, instance);
  }
  return found;
}

function parseAddress(address: string): { readonly host: string; readonly port: number } {
  const at = address.lastIndexOf(":");
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(address.slice(at + 1)) };
}

/** Has grpc-js resolve targets of the form `shoal:///<service>`. May be called again. */
export function registerRegistryResolver(): void {
  experimental.registerResolver("shoal", RegistryResolver);
}
