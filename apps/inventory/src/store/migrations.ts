import { type Migration, outboxSchema, outboxTraceSchema } from "@shoal/storage";
import { sql } from "kysely";

/** The history of the inventory service's schema. */
export const migrations: readonly Migration[] = [
  {
    name: "0001-inventory",
    statements: ({ key, text, int, bigint, tableOptions }) => [
      // Price and stock stand in one row: a reservation needs both, and one lock covers them.
      sql`create table if not exists products (
        sku ${key} not null primary key,
        name ${text(200)} not null,
        description ${text(2000)} not null,
        price_minor_units ${bigint} not null,
        currency ${key} not null,
        version ${int} not null,
        created_at_ms ${bigint} not null,
        updated_at_ms ${bigint} not null,
        available ${bigint} not null,
        held ${bigint} not null,
        sold ${bigint} not null,
        constraint products_stock check (available >= 0 and held >= 0 and sold >= 0)
      ) ${tableOptions}`,
      sql`create table if not exists adjustments (
        source ${key} not null,
        id ${key} not null,
        sku ${key} not null,
        delta ${int} not null,
        reason ${text(200)} not null,
        created_at_ms ${bigint} not null,
        primary key (source, id)
      ) ${tableOptions}`,
      sql`create table if not exists reservations (
        id ${key} not null primary key,
        status ${key} not null,
        total_minor_units ${bigint} not null,
        currency ${key} not null,
        expires_at_ms ${bigint} not null,
        created_at_ms ${bigint} not null
      ) ${tableOptions}`,
      sql`create table if not exists reservation_lines (
        reservation_id ${key} not null,
        position ${int} not null,
        sku ${key} not null,
        quantity ${int} not null,
        unit_price_minor_units ${bigint} not null,
        primary key (reservation_id, position)
      ) ${tableOptions}`,
    ],
  },
  {
    name: "0002-overdue-holds",
    statements: () => [sql`create index reservations_overdue on reservations (status, expires_at_ms)`],
  },
  {
    name: "0003-outbox",
    statements: (types) => [
      sql`alter table products add column stock_version ${types.int} not null default 0`,
      ...outboxSchema(types),
    ],
  },
  { name: "0004-traced-events", statements: outboxTraceSchema },
];
