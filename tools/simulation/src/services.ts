import type { MessageInitShape } from "@bufbuild/protobuf";
import { InventoryService } from "@shoal/contracts/inventory/v1/inventory_service";
import {
  type BatchGetUsersResponseSchema,
  type GetUserResponseSchema,
  UserService,
  UserStatus,
} from "@shoal/contracts/user/v1/user_service";
import { reserveInBatches, reserveOneByOne } from "@shoal/inventory/batching";
import type { InventoryStore } from "@shoal/inventory/domain/inventory-store";
import { createReservations } from "@shoal/inventory/domain/reservations";
import { createStockKeeping } from "@shoal/inventory/domain/stock-keeping";
import { reservationHandlers } from "@shoal/inventory/handlers/reservation-handlers";
import { AppError, type Clock } from "@shoal/kernel";
import { createBatchedStockHolds, createStockHolds } from "@shoal/order/clients/stock-holds";
import { createBatchedUserDirectory, createUserDirectory } from "@shoal/order/clients/user-directory";
import { createOrders } from "@shoal/order/domain/orders";
import type { OrderStore, StockHolds } from "@shoal/order/domain/ports";
import { batched, unbatched } from "@shoal/order/store/batched-order-store";
import { createContractClient } from "./contract-client.ts";
import type { Job } from "./jobs.ts";
import {
  createMemoryInventoryStore,
  type InventoryDatabase,
  type MemoryInventoryOptions,
} from "./memory/memory-inventory-store.ts";
import { createMemoryOrderStore, type MemoryOrderStore, type OrderDatabase } from "./memory/memory-order-store.ts";
import type { Session } from "./memory/session.ts";
import type { Handlers } from "./node.ts";

/** As many as the real jobs look at in one run, or enough for a run's few orders. */
const jobLimit = 100;

/** As long as the order service keeps answers. */
const answersKeptForMs = 2 * 24 * 60 * 60_000;

/** Where tests plant faults: each answers what is put in place of a part. Default: the part itself. */
export interface Plants {
  readonly inventory?: (store: InventoryStore) => InventoryStore;
  readonly inventoryOptions?: MemoryInventoryOptions;
  readonly orders?: (store: MemoryOrderStore) => MemoryOrderStore;
  readonly stock?: (stock: StockHolds) => StockHolds;
  /** Writes the events of orders. */
  readonly orderEvents?: (session: Session, database: OrderDatabase) => Parameters<typeof createMemoryOrderStore>[2];
  /** Answers which of some events a consumer has not seen before. */
  readonly freshEvents?: (ids: readonly string[]) => readonly string[];
}

/** What a process of a service is made of. */
export interface ProcessParts<D> {
  readonly session: Session;
  readonly database: D;
  readonly clock: Clock;
  readonly batching: boolean;
  readonly jobIntervalMs: number;
  readonly plants: Plants;
  /** Told of failures that are none of the domain's. */
  readonly onFault: (error: unknown, where: string) => void;
}

/** A process: what it answers, and what it does by itself. */
export interface Process {
  readonly handlers: Handlers;
  readonly jobs: readonly Job[];
}

/** A process of the order service, wired as the real one is; `call` takes its calls to the other services. */
export function orderProcess(
  { session, database, clock, batching, jobIntervalMs, plants, onFault }: ProcessParts<OrderDatabase>,
  holdMs: number,
  call: (service: "inventory" | "user", method: string, request: unknown) => Promise<unknown>,
): Process {
  const inventoryClient = createContractClient(InventoryService, (method, request) =>
    call("inventory", method, request),
  );
  const userClient = createContractClient(UserService, (method, request) => call("user", method, request));
  const own = createMemoryOrderStore(session, database, plants.orderEvents?.(session, database));
  const planted = plants.orders?.(own) ?? own;
  const store: OrderStore = batching ? batched(planted) : unbatched(planted);
  const stock = batching ? createBatchedStockHolds(inventoryClient) : createStockHolds(inventoryClient);
  const orders = createOrders({
    store,
    users: batching ? createBatchedUserDirectory(userClient) : createUserDirectory(userClient),
    stock: plants.stock?.(stock) ?? stock,
    clock,
    holdMs,
  });
  const { signal } = new AbortController();
  return {
    handlers: {
      place: ({ userId, key, lines }: PlaceRequest) => orders.place(userId, key, lines),
      confirm: ({ id, reference }: { id: string; reference: string }) => orders.confirm(id, reference),
      cancel: ({ id }: { id: string }) => orders.cancel(id),
    },
    jobs: [
      {
        name: "settle overdue orders",
        intervalMs: jobIntervalMs,
        run: () =>
          orders.settleOverdue(
            jobLimit,
            ({ id }, error) => {
              if (!(error instanceof AppError)) onFault(error, `the settling of ${id}`);
            },
            signal,
          ),
      },
      {
        name: "forget answers",
        intervalMs: jobIntervalMs * 5,
        run: () => store.forgetAnswers(clock.now() - answersKeptForMs, jobLimit),
      },
      { name: "publish events of orders", intervalMs: jobIntervalMs, run: () => database.outbox.publish(session) },
    ],
  };
}

/** What a shopper asks for. */
export interface PlaceRequest {
  readonly userId: string;
  readonly key: string;
  readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
}

/** A process of the inventory, wired as the real one is. */
export function inventoryProcess({
  session,
  database,
  clock,
  batching,
  jobIntervalMs,
  plants,
  onFault,
}: ProcessParts<InventoryDatabase>): Process {
  const own = createMemoryInventoryStore(session, database, clock, plants.inventoryOptions);
  const store = plants.inventory?.(own) ?? own;
  const reservations = createReservations({ store, clock });
  const batcher = reserveInBatches(reservations);
  const handlers = reservationHandlers(
    reservations,
    batching ? (request) => batcher.submit(request) : reserveOneByOne(reservations),
    (error) => onFault(error, "a reservation of a batch"),
  );
  const keeping = createStockKeeping({ store, clock });
  return {
    handlers: {
      // They take the context of a call too, and have no use for it.
      ...(handlers as unknown as Handlers),
      adjust: (change: Parameters<typeof keeping.adjust>[0]) => keeping.adjust(change),
    },
    jobs: [
      {
        name: "sweep",
        intervalMs: jobIntervalMs,
        run: async () => {
          await reservations.forgetFences(jobLimit);
          await reservations.expireOverdue(jobLimit);
        },
      },
      { name: "publish events of stock", intervalMs: jobIntervalMs, run: () => database.outbox.publish(session) },
    ],
  };
}

/** A process of the user service, as far as the order service asks it. `isActive` answers `undefined` for nobody. */
export function userProcess(isActive: (id: string) => boolean | undefined): Process {
  const user = (id: string) => ({ id, status: isActive(id) === true ? UserStatus.ACTIVE : UserStatus.INACTIVE });
  return {
    handlers: {
      getUser: async ({ userId }: { userId: string }): Promise<MessageInitShape<typeof GetUserResponseSchema>> => {
        if (isActive(userId) === undefined) throw userNotFound(userId);
        return { user: user(userId) };
      },
      batchGetUsers: async ({
        userIds,
      }: {
        userIds: readonly string[];
      }): Promise<MessageInitShape<typeof BatchGetUsersResponseSchema>> => ({
        users: userIds.filter((id) => isActive(id) !== undefined).map(user),
      }),
    },
    jobs: [],
  };
}

function userNotFound(id: string): AppError {
  return new AppError({ kind: "missing", reason: "USER_NOT_FOUND", domain: "shoal.user", message: `no user ${id}` });
}
