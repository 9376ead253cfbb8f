import { CompiledQuery, type Insertable, type Kysely } from "kysely";

/**
 * Adds rows, which all have the columns of the first one, in one statement; none: nothing. Throws what the driver does,
 * unless `otherwise` says, in the engine's words, what becomes of a row that is there. For where many are added at once:
 * Kysely's builder makes nodes of each value, which took longer than the statement.
 */
export async function insertRows<S, T extends keyof S & string>(
  db: Kysely<S>,
  table: T,
  rows: readonly Insertable<S[T]>[],
  otherwise = "",
): Promise<void> {
  const [first] = rows;
  if (first === undefined) return;
  const columns = Object.keys(first) as (keyof Insertable<S[T]>)[];
  // Both engines take backticks.
  const names = columns.map((column) => `\`${String(column)}\``).join(", ");
  const values = `(${columns.map(() => "?").join(", ")})`;
  const text = `insert into \`${table}\` (${names}) values ${Array<string>(rows.length).fill(values).join(", ")} ${otherwise}`;
  const parameters: unknown[] = [];
  for (const row of rows) for (const column of columns) parameters.push(row[column]);
  await db.executeQuery(CompiledQuery.raw(text, parameters));
}
