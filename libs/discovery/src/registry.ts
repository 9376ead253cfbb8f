/** One running copy of a service, as it announces itself. */
export interface Instance {
  /** What it serves: lower case, such as `order`. */
  readonly service: string;
  /** Unlike that of any other, and of its own earlier runs. */
  readonly id: string;
  /** Where it takes calls: `HOST:PORT`, an IPv6 address in brackets. */
  readonly address: string;
  /** The part of the world that it shares fate with, such as `eu-central-1a`; empty when unknown. */
  readonly zone: string;
  /** What it runs; empty when unknown. */
  readonly version: string;
  /** Its share of the calls beside the others', 1 to 1,000; 100 is usual. */
  readonly weight: number;
  /** When it began to take calls, in milliseconds since the epoch; 0 when unknown. */
  readonly startedAt: number;
}

/** Told of the instances of a service. */
export interface RegistryListener {
  /** All that there are now, in no order: soon after the watch began, and at each change. Empty when there are none. */
  onInstances(instances: readonly Instance[]): void;
  /** The registry cannot be asked at the moment; what was known stays the best there is. The watch goes on by itself. */
  onError(error: Error): void;
}

/** Who serves what, and where: the contract that every driver keeps. Nothing else is asked of a registry. */
export interface Registry {
  /**
   * Announces an instance, and keeps it announced until it is deregistered or its process is gone, whatever becomes of the
   * registry meanwhile. Resolves when others can see it. Rejects when the registry cannot be reached now; it is announced
   * all the same once it can be.
   */
  register(instance: Instance): Promise<void>;
  /** Takes the announcement back. Resolves when it is gone, or will be by itself because the registry is away. */
  deregister(instance: Instance): Promise<void>;
  /** Tells `listener` of a service's instances until the answered function is called. */
  watch(service: string, listener: RegistryListener): () => void;
  /** Ends the watches and takes back what was announced through it. Leaves nothing that keeps the process. */
  close(): Promise<void>;
}
