import type { DescMethod, DescService, Message } from "@bufbuild/protobuf";
import type { ChannelOptions } from "@grpc/grpc-js";
import {
  type BalancingPolicy,
  type ClientBalancing,
  clientBalancing,
  type EjectionEvent,
  ejectionListenerOption,
  loadBalancingConfig,
  type Registry,
  registerLoadBalancer,
  registerRegistryResolver,
  registryOption,
} from "@shoal/discovery";
import { tell } from "../tell.ts";
import type { ClientCall } from "./client-call.ts";
import type { OnResilienceEvent } from "./resilience-events.ts";

/**
 * How the calls of a client are spread: `pick_first` (all to the first address that answers), or one of the policies of
 * `@shoal/discovery` by name, or with its options.
 */
export type Balancing = "pick_first" | BalancingPolicy | BalancingSettings;

/** A policy with options; the rest is as by default. */
export interface BalancingSettings extends Partial<Omit<ClientBalancing, "hashMetadata">> {
  /**
   * What `consistent_hash` goes by: metadata of that name, or the field of that name (as in the contract) of the request;
   * calls that have none go anywhere. Only calls of one request have a field.
   */
  readonly hashKey?: { readonly metadata: string } | { readonly field: string };
}

/** What a client says of where its calls go. */
export interface BalancingInit {
  readonly address: string;
  readonly registry?: Registry | undefined;
  readonly zone?: string;
  readonly balancing?: Balancing;
  readonly onResilienceEvent?: OnResilienceEvent;
}

/** What it takes to spread a client's calls. */
export interface BalancingSetup {
  /** The load balancing part of the service config. */
  readonly config: object;
  readonly channelOptions: ChannelOptions;
  /** Whether a policy chooses, and asks the breakers of each instance. */
  readonly isBalanced: boolean;
  /** What is to be done with each call of a method before its layers. */
  prepare(method: DescMethod): ((call: ClientCall) => void) | undefined;
}

/** Throws a `RangeError` for options out of range, and for an address that needs a registry when there is none. */
export function balancingOf(
  service: DescService,
  { address, registry, zone = "", balancing, onResilienceEvent }: BalancingInit,
): BalancingSetup {
  const given = balancing ?? (isRegistered(address) ? "p2c_ewma" : "pick_first");
  if (isRegistered(address) && registry === undefined)
    throw new RangeError(`address: ${address} is looked up in a registry; give the option registry`);
  registerRegistryResolver();
  const channelOptions = { [registryOption]: registry };
  if (given === "pick_first")
    return { config: { pick_first: {} }, channelOptions, isBalanced: false, prepare: () => undefined };
  const { hashKey, ...settings }: BalancingSettings = typeof given === "string" ? { policy: given } : given;
  const field = hashKey !== undefined && "field" in hashKey ? hashKey.field : undefined;
  if (field !== undefined && !service.methods.some((method) => fieldOf(method, field) !== undefined))
    throw new RangeError(`balancing: no request of ${service.typeName} has a field ${field} to hash`);
  const hashMetadata = hashKey !== undefined && "metadata" in hashKey ? hashKey.metadata.toLowerCase() : "";
  registerLoadBalancer();
  const onEjection = ({ type, endpoint }: EjectionEvent) =>
    tell(onResilienceEvent, { type: "ejection", instance: endpoint.address, state: type });
  return {
    config: loadBalancingConfig(clientBalancing({ zone, ...settings, hashMetadata })),
    // Room on a connection is counted for each client: it must be its own.
    channelOptions: {
      ...channelOptions,
      [ejectionListenerOption]: onEjection,
      "grpc.use_local_subchannel_pool": 1,
    },
    isBalanced: true,
    prepare: (method) => {
      const name = field === undefined ? undefined : fieldOf(method, field);
      return name === undefined ? undefined : (call) => call.onRequest((request) => setKey(call, request, name));
    },
  };
}

function isRegistered(address: string): boolean {
  return address.startsWith("shoal:");
}

/** The name that a request's field has in TypeScript; `undefined` where it has none, or is one of many requests. */
function fieldOf({ methodKind, input }: DescMethod, name: string): string | undefined {
  if (methodKind === "client_streaming" || methodKind === "bidi_streaming") return undefined;
  return input.fields.find((field) => field.name === name)?.localName;
}

function setKey(call: ClientCall, request: Message, name: string): void {
  const value = (request as unknown as Record<string, unknown>)[name];
  call.hashKey = value === undefined || value === "" ? undefined : String(value);
}
