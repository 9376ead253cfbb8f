import { fingerprintOf, type Order } from "@shoal/order/domain/order";
import type { FirstAnswer, OrderStore } from "@shoal/order/domain/ports";
import { orderEvent } from "@shoal/order/store/order-events";
import { errorFromText, errorToText } from "@shoal/order/store/refusals";
import type { AnswerStore } from "@shoal/order/store/sql-order-store";
import type { IdempotencyRecord, OutboxEvent } from "@shoal/storage";
import { DuplicateKeyError, MemoryDatabase } from "./database.ts";
import { MemoryOutbox } from "./outbox.ts";
import type { Session, SessionTransaction } from "./session.ts";
import { Table } from "./table.ts";

/** The order service's database. An order's row has its lines: they are written together, once. */
export class OrderDatabase extends MemoryDatabase {
  readonly orders = new Table<Order>("orders");
  readonly records = new Table<IdempotencyRecord>("idempotency_records");
  readonly outbox = new MemoryOutbox();
}

/** The ports that the SQL store has. */
export type MemoryOrderStore = Omit<OrderStore, "findFirst" | "insert" | "refuse"> & AnswerStore;

/** Orders in memory, in as many statements as the SQL store takes. `append` writes events: tests put another in its place. */
export function createMemoryOrderStore(
  session: Session,
  { orders, records, outbox }: OrderDatabase,
  append: (tx: SessionTransaction, events: readonly OutboxEvent[]) => Promise<void> = (tx, events) =>
    outbox.append(tx, events),
): MemoryOrderStore {
  const findAll = async (ids: readonly string[]): Promise<readonly Order[]> =>
    ids.length === 0 ? [] : await session.statement("find orders", (tx) => tx.find(orders, ids));
  return {
    find: async (id) => (await findAll([id]))[0],

    findAll,

    findFirst: async (ids) => {
      const known = await session.statement("find answers", (tx) => [
        ...new Set([...tx.find(orders, ids), ...tx.find(records, ids)].map(({ id }) => id)),
      ]);
      const answers = new Map<string, FirstAnswer>();
      if (known.length === 0) return answers;
      const kept = await session.statement("read records", (tx) => tx.find(records, known));
      for (const { id, fingerprint, error, atMs } of kept)
        if (error !== undefined) answers.set(id, { refusal: { id, fingerprint, error: errorFromText(error), atMs } });
      for (const order of await findAll(known)) answers.set(order.id, { order });
      return answers;
    },

    answer: async (answers) => {
      try {
        await session.transaction(async (tx) => {
          await tx.statement(`insert ${answers.length} records`, async (rows) => {
            for (const record of answers.map(toRecord)) await rows.insert(records, record.id, record);
          });
          const placed = answers.flatMap((answer) => ("order" in answer ? [answer.order] : []));
          if (placed.length === 0) return;
          await tx.statement(`insert ${placed.length} orders`, async (rows) => {
            for (const order of placed) await rows.insert(orders, order.id, order);
          });
          await append(
            tx,
            placed.map((order) => orderEvent(order, order.createdAtMs)),
          );
        });
      } catch (error) {
        if (error instanceof DuplicateKeyError) return false;
        throw error;
      }
      return true;
    },

    forgetAnswers: async (beforeMs, limit) => {
      const old = await session.statement("find old answers", (tx) =>
        tx
          .scan(records, ({ atMs }) => atMs < beforeMs)
          .sort((one, other) => one.atMs - other.atMs)
          .slice(0, limit)
          .map(({ id }) => id),
      );
      if (old.length === 0) return 0;
      return await session.statement("delete old answers", (tx) => tx.delete(records, old));
    },

    list: (userId, before, limit) =>
      session.statement("list orders", (tx) =>
        tx
          .scan(orders, (order) => order.userId === userId && (before === undefined || isAfter(order, before)))
          .sort((one, other) => (isAfter(one, other) ? 1 : -1))
          .slice(0, limit),
      ),

    begin: (id, intent, paymentReference, settleAtMs) =>
      session.statement(`begin to ${intent}`, (tx) =>
        tx.update(orders, id, (order) => {
          const isFree =
            order.intent === undefined ||
            (order.intent === intent && (order.paymentReference ?? "") === (paymentReference ?? ""));
          return order.status === "placed" && isFree ? { ...order, intent, paymentReference, settleAtMs } : undefined;
        }),
      ),

    end: (id, status, nowMs) =>
      session.transaction(async (tx) => {
        const isEnded = await tx.statement(`end as ${status}`, (rows) =>
          rows.update(orders, id, (order) =>
            order.status === "placed" ? { ...order, status, intent: undefined, updatedAtMs: nowMs } : undefined,
          ),
        );
        if (!isEnded) return false;
        const [order] = await tx.statement("read the order's user", (rows) => rows.find(orders, [id]));
        if (order === undefined) throw new Error(`there is no order ${id} to end`);
        await append(tx, [orderEvent({ id, userId: order.userId, status }, nowMs)]);
        return true;
      }),

    findUnsettled: (nowMs, limit) =>
      session.statement("find unsettled orders", (tx) =>
        tx
          .scan(orders, ({ status, settleAtMs }) => status === "placed" && settleAtMs <= nowMs)
          .sort((one, other) => one.settleAtMs - other.settleAtMs)
          .slice(0, limit),
      ),

    postpone: async (id, untilMs) => {
      await session.statement("postpone", (tx) =>
        tx.update(orders, id, (order) => (order.status === "placed" ? { ...order, settleAtMs: untilMs } : undefined)),
      );
    },
  };
}

/** Whether `order` comes after `position` where the newest come first. */
function isAfter(order: Pick<Order, "createdAtMs" | "id">, position: Pick<Order, "createdAtMs" | "id">): boolean {
  return order.createdAtMs === position.createdAtMs ? order.id < position.id : order.createdAtMs < position.createdAtMs;
}

function toRecord(answer: FirstAnswer): IdempotencyRecord {
  if ("refusal" in answer) {
    const { error, ...refusal } = answer.refusal;
    return { ...refusal, error: errorToText(error) };
  }
  const { id, lines, createdAtMs } = answer.order;
  return { id, fingerprint: fingerprintOf(lines), error: undefined, atMs: createdAtMs };
}
