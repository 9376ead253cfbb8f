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
  /**
   * All that there are now, in no order: soon after the watch began (never before `watch` has returned), at each change, and
   * once the registry can be asked again after an error. Empty when there are none.
   */
  onInstances(instances: readonly Instance[]): void;
  /**
   * The registry cannot be asked at the moment; what was known stays the best there is. The watch goes on by itself. Told
   * once for each reason.
   */
  onError(error: Error): void;
}

/**
 * Who serves what, and where: the contract that every driver keeps. Nothing else is asked of a registry. One whose content
 * is kept by others, such as DNS, takes an announcement for made.
 */
export interface Registry {
  /**
   * Announces an instance, and keeps it announced until it is deregistered or its process is gone, whatever becomes of the
   * registry meanwhile. Resolves when others can see it. Rejects when the registry cannot be reached now; it is announced
   * all the same once it can be. Announced again, it is as it was said last. Rejects too when a field cannot be used, or
   * the registry is closed.
   */
  register(instance: Instance): Promise<void>;
  /** Takes the announcement back. Resolves when it is gone, or will be by itself because the registry is away. */
  deregister(instance: Instance): Promise<void>;
  /**
   * Tells `listener` of a service's instances until the answered function is called, for which once is enough. What a
   * listener throws becomes a warning of the process. On a closed registry it is told an error, and nothing else.
   */
  watch(service: string, listener: RegistryListener): () => void;
  /**
   * Ends the watches and takes back what was announced through it. Leaves nothing that keeps the process, which an open
   * one may. May be called again. Never rejects.
   */
  close(): Promise<void>;
}
