// A thread that reads one database: see `database-thread.ts`.
import { parentPort, workerData } from "node:worker_threads";
import type { SideTasks, ThreadReply, ThreadRequest } from "./database-thread.ts";
import { keyOfId } from "./id-table.ts";
import { readReservations } from "./inventory-side.ts";
import { readOrders } from "./order-side.ts";
import { openSnapshot, type Snapshot, SnapshotError, snapshotError } from "./snapshot.ts";
import { StockSums } from "./stock-sums.ts";

const { service, url } = workerData as { readonly service: "order" | "inventory"; readonly url: string };
const [table, lines, idOfLine] =
  service === "order"
    ? (["orders", "order_lines", "order_id"] as const)
    : (["reservations", "reservation_lines", "reservation_id"] as const);
let snapshot: Snapshot | undefined;
let sums: StockSums | undefined;
/** Orders or reservations. */
let count = 0;

const opened = () => {
  if (snapshot === undefined) throw new Error("the database is not open");
  return snapshot;
};

const tasks: SideTasks = {
  open: async () => {
    sums = undefined;
    try {
      if (snapshot === undefined) snapshot = await openSnapshot(url);
      else await snapshot.renew();
      const [[counted] = []] = await snapshot.rows(`select count(*) from ${table}`);
      count = Number(counted);
      return count;
    } catch (error) {
      throw snapshotError(service, error);
    }
  },
  read: async ({ part, options }) => {
    if (service === "order") return await readOrders(opened(), count, part, options);
    sums ??= await StockSums.read(opened());
    return await readReservations(opened(), count, part, options, sums);
  },
  idsOf: async (keys) => {
    const ids = new Map<string, string>();
    const wanted = new Set(keys);
    await opened().each({ from: table, columns: "id" }, ([id]) => {
      const key = keyOfId(id as string);
      if (wanted.has(key)) ids.set(key, id as string);
    });
    return ids;
  },
  linesOf: async (id) => {
    const rows = await opened().rows(
      `select sku, quantity, unit_price_minor_units from ${lines} where ${idOfLine} = ${quoted(id)} order by position`,
    );
    return rows.map(([sku, quantity, price]) => `${sku} ${quantity} at ${price}`).join(", ") || "none";
  },
  known: async (ids) => {
    await opened().renew();
    const rows = await opened().rows(`select id from ${table} where id in (${["''", ...ids.map(quoted)].join()})`);
    return rows.map(([id]) => id as string);
  },
};

parentPort?.on("message", async ({ task, argument }: ThreadRequest) => {
  let reply: ThreadReply;
  try {
    reply = { answer: await tasks[task](argument as never) };
  } catch (error) {
    reply = { error: error as Error, isAbsent: error instanceof SnapshotError ? error.isAbsent : undefined };
  }
  parentPort?.postMessage(reply);
});

/** Ids are visible ASCII characters. */
function quoted(id: string): string {
  return `'${id.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}
