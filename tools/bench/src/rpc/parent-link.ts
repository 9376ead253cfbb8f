/** The tasks that a process can be given: each takes one argument at most and answers what JSON can hold. */
// biome-ignore lint/suspicious/noExplicitAny: any task, of any argument and answer
export type Tasks<T> = { readonly [K in keyof T]: (argument: any) => Promise<unknown> };

/** What a parent sends. */
export interface Order {
  readonly task: string;
  readonly argument?: unknown;
}

/** What it gets back. */
export type Reply = { readonly answer?: unknown } | { readonly error: string };

/** Does what the parent asks, a task at a time, and ends this process when the parent has ended or has hung up. */
export function obeyParent<T extends Tasks<T>>(tasks: T): void {
  process.once("disconnect", () => process.exit(0));
  process.on("message", async ({ task, argument }: Order) => {
    // A parent that has hung up meanwhile needs no reply; this process then ends.
    process.send?.(await perform(tasks[task as keyof T], argument), undefined, undefined, () => {});
  });
}

async function perform(task: ((argument: unknown) => Promise<unknown>) | undefined, argument: unknown): Promise<Reply> {
  try {
    return { answer: await task?.(argument) };
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
