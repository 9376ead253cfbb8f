// A thread of sqlite-opening.int.test.ts: opens new databases at the same moments as the others, and says what fails.
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { sql } from "kysely";
import { openDatabase } from "./database.ts";

/** What the test tells it. */
export interface OpenerData {
  readonly folder: string;
  readonly rounds: number;
  readonly threads: number;
  /** How many times a thread has come to the beginning of a round. */
  readonly arrived: Int32Array;
}

const { folder, rounds, threads, arrived } = workerData as OpenerData;
const failures: string[] = [];
for (let round = 1; round <= rounds; round += 1) {
  Atomics.add(arrived, 0, 1);
  // No wait: they are to begin within a microsecond.
  while (Atomics.load(arrived, 0) < round * threads);
  const database = openDatabase(`sqlite:${join(folder, `${round}.db`)}`);
  try {
    await sql`create table if not exists things (id integer)`.execute(database.db);
  } catch (error) {
    failures.push(String(error));
  } finally {
    await database.close();
  }
}
parentPort?.postMessage(failures);
