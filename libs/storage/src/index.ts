export { type ColumnTypes, columnTypes } from "./column-types.ts";
export { admission, type Database, type DatabaseOptions, defaultDatabaseOptions, openDatabase } from "./database.ts";
export { type DatabaseUrl, parseDatabaseUrl } from "./database-url.ts";
export { isUniqueViolation } from "./errors.ts";
export {
  findRecords,
  type IdempotencyRecord,
  type IdempotencyTables,
  idempotencySchema,
  insertRecords,
  pruneRecords,
} from "./idempotency.ts";
export { insertRows } from "./insert-rows.ts";
export { type ConnectionLog, logConnections } from "./log-connections.ts";
export { type Migration, migrate, pendingMigrations } from "./migrations.ts";
export { defaultOutboxFeedOptions, OutboxFeed, type OutboxFeedOptions } from "./outbox/feed.ts";
export { acceptEvents, type InboxTables, inboxSchema, pruneInbox } from "./outbox/inbox.ts";
export { type Outbox, type OutboxOptions, openOutbox } from "./outbox/open-outbox.ts";
export {
  appendEvents,
  eventIdOf,
  type OutboxEvent,
  type OutboxTables,
  outboxSchema,
  outboxTraceSchema,
  type PublishedEvent,
} from "./outbox/outbox.ts";
export {
  defaultPublishOptions,
  type PruneEventsOptions,
  type PublishOptions,
  pruneEvents,
  publishEvents,
} from "./outbox/publish.ts";
export { defaultOutboxRelayOptions, OutboxRelay, type OutboxRelayOptions } from "./outbox/relay.ts";
