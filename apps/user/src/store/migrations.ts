import { type Migration, outboxSchema, outboxTraceSchema } from "@shoal/storage";
import { sql } from "kysely";

/** The history of the user service's schema. */
export const migrations: readonly Migration[] = [
  {
    name: "0001-users",
    statements: ({ key, text, int, bigint, tableOptions }) => [
      sql`create table if not exists users (
        id ${key} not null primary key,
        email ${text(254)} not null,
        email_key ${text(254)} not null,
        display_name ${text(100)} not null,
        status ${key} not null,
        version ${int} not null,
        created_at_ms ${bigint} not null,
        updated_at_ms ${bigint} not null,
        constraint users_email_key unique (email_key)
      ) ${tableOptions}`,
    ],
  },
  { name: "0002-outbox", statements: outboxSchema },
  { name: "0003-traced-events", statements: outboxTraceSchema },
];
