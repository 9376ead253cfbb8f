import type { MethodDefinition } from "@grpc/grpc-js";
import {
  type CreateOrderRequest,
  CreateOrderRequestSchema,
  type CreateOrderResponse,
  CreateOrderResponseSchema,
  OrderService,
} from "@shoal/contracts/order/v1/order_service";
import { codecOf } from "../rpc/codec.ts";

/** CreateOrder as grpc-js wants it, with the codec of protobuf-es. */
export const createOrderDefinition: MethodDefinition<CreateOrderRequest, CreateOrderResponse> = {
  path: `/${OrderService.typeName}/${OrderService.method.createOrder.name}`,
  requestStream: false,
  responseStream: false,
  ...codecOf("request", CreateOrderRequestSchema),
  ...codecOf("response", CreateOrderResponseSchema),
} as MethodDefinition<CreateOrderRequest, CreateOrderResponse>;
