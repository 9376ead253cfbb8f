import { repeat } from "@shoal/concurrency";
import { newId } from "@shoal/kernel";
import { type IdempotencyTables, insertRecords, openDatabase } from "@shoal/storage";

/** Older than the order service keeps them, in milliseconds. */
const ageMs = 3 * 24 * 60 * 60_000;
const everyMs = 250;

/** Puts refusals of three days ago among the first answers of the order service, again and again, as food for its pruning. */
export function keepOldAnswersComing(orderDatabase: string): AsyncDisposable {
  const database = openDatabase<IdempotencyTables>(orderDatabase);
  const work = async () => {
    const record = { id: newId(), fingerprint: "", error: "{}", atMs: Date.now() - ageMs };
    await database.transaction((tx) => insertRecords(tx, [record]));
    return false;
  };
  // The database may be away.
  const coming = repeat(work, { intervalMs: everyMs, onError: () => {} });
  return {
    [Symbol.asyncDispose]: async () => {
      await coming.stop();
      await database.close();
    },
  };
}
