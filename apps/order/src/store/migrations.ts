import { idempotencySchema, type Migration, outboxSchema, outboxTraceSchema } from "@shoal/storage";
import { sql } from "kysely";

/** The history of the order service's schema. */
export const migrations: readonly Migration[] = [
  {
    name: "0001-orders",
    statements: ({ key, int, bigint, tableOptions }) => [
      sql`create table if not exists orders (
        id ${key} not null primary key,
        user_id ${key} not null,
        status ${key} not null,
        intent ${key},
        payment_reference ${key},
        total_minor_units ${bigint} not null,
        currency ${key} not null,
        expires_at_ms ${bigint} not null,
        settle_at_ms ${bigint} not null,
        created_at_ms ${bigint} not null,
        updated_at_ms ${bigint} not null
      ) ${tableOptions}`,
      sql`create table if not exists order_lines (
        order_id ${key} not null,
        position ${int} not null,
        sku ${key} not null,
        quantity ${int} not null,
        unit_price_minor_units ${bigint} not null,
        primary key (order_id, position)
      ) ${tableOptions}`,
    ],
  },
  {
    name: "0002-orders-of-a-user",
    statements: () => [sql`create index orders_of_user on orders (user_id, created_at_ms, id)`],
  },
  {
    name: "0003-unsettled-orders",
    statements: () => [sql`create index orders_unsettled on orders (status, settle_at_ms)`],
  },
  {
    name: "0004-outbox-and-first-answers",
    statements: (types) => [...outboxSchema(types), ...idempotencySchema(types)],
  },
  { name: "0005-traced-events", statements: outboxTraceSchema },
];
