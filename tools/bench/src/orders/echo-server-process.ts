// What the order service is compared with: bare grpc-js that answers each order as if it had been placed. Started and told
// what to do by order-subjects.ts.
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import {
  type CreateOrderRequest,
  type CreateOrderResponse,
  CreateOrderResponseSchema,
  OrderStatus,
} from "@shoal/contracts/order/v1/order_service";
import { obeyParent } from "../rpc/parent-link.ts";
import { createOrderDefinition } from "./create-order.ts";

/** What the bench may ask of it. */
export interface EchoServerTasks {
  /** Answers HOST:PORT and the process's id. */
  serve(): Promise<{ readonly address: string; readonly pid: number }>;
}

const orderId = "5f0c1f64-5a0e-5c1b-9a39-8d5a2f6f7a11";
const price = { minorUnits: 100n, currency: "EUR" };
const holdMs = 86_400_000;

/** An answer with all the fields that an order just placed has, so that it is of the same size. */
function placed({ userId, lines }: CreateOrderRequest): CreateOrderResponse {
  const now = Date.now();
  const createTime = timestampFromMs(now);
  return create(CreateOrderResponseSchema, {
    order: {
      id: orderId,
      userId,
      status: OrderStatus.PLACED,
      lines: lines.map(({ sku, quantity }) => ({ sku, quantity, unitPrice: price })),
      total: price,
      expireTime: timestampFromMs(now + holdMs),
      createTime,
      updateTime: createTime,
    },
  });
}

obeyParent<EchoServerTasks>({
  serve: async () => {
    const server = new Server();
    server.addService(
      { createOrder: createOrderDefinition },
      {
        createOrder: (
          call: ServerUnaryCall<CreateOrderRequest, CreateOrderResponse>,
          reply: sendUnaryData<CreateOrderResponse>,
        ) => reply(null, placed(call.request)),
      },
    );
    return new Promise((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
        if (error === null) resolve({ address: `127.0.0.1:${port}`, pid: process.pid });
        else reject(error);
      });
    });
  },
});
