import { join } from "node:path";

/** One service, as far as its launcher must know it. */
export interface ServiceSpec {
  /** Lower case, such as `order`; its settings are `SHOAL_ORDER_…`. */
  readonly name: string;
  /** The script that is its process: an absolute path. */
  readonly entry: string;
  /** Its gRPC port, unless `SHOAL_<NAME>_GRPC_PORT` says otherwise. */
  readonly grpcPort: number;
  /** The services it calls: started before it, stopped after it; it gets their addresses. */
  readonly calls: readonly string[];
  /** It keeps nothing: it gets no database, and would refuse one. */
  readonly stateless?: true;
}

/** The root of the repository. */
export const repositoryRoot = join(import.meta.dirname, "../../..");

/** The services of Shoal. A new service is one more line here. */
export const services: readonly ServiceSpec[] = [
  { name: "user", entry: entryOf("user"), grpcPort: 50_051, calls: [] },
  { name: "inventory", entry: entryOf("inventory"), grpcPort: 50_052, calls: [] },
  { name: "order", entry: entryOf("order"), grpcPort: 50_053, calls: ["user", "inventory"] },
];

/** The one door to them all. It is launched only where it is asked for: `launch({ services: [...services, gateway] })`. */
export const gateway: ServiceSpec = {
  name: "gateway",
  entry: entryOf("gateway"),
  grpcPort: 50_054,
  calls: services.map(({ name }) => name),
  stateless: true,
};

function entryOf(name: string): string {
  return join(repositoryRoot, "apps", name, "src/main.ts");
}
