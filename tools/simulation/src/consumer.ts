import { eventIdOf } from "@shoal/storage";
import type { Draw } from "./draw.ts";
import { MemoryDatabase } from "./memory/database.ts";
import type { MemoryOutbox, OutboxRow } from "./memory/outbox.ts";
import type { Session } from "./memory/session.ts";
import { Table } from "./memory/table.ts";
import type { Plants } from "./services.ts";

/** Events that are read at once. */
const readLimit = 20;

interface Effect {
  readonly version: number;
  readonly payload: string;
}

/** The database of one who follows the events of a service: what it has seen, and what it has made of it, by key. */
export class ConsumerDatabase extends MemoryDatabase {
  readonly inbox = new Table<string>("inbox");
  readonly effects = new Table<readonly Effect[]>("effects");
  /** One row: up to where it has read. Written after the effects, not with them, so events come again after a crash. */
  readonly position = new Table<number>("position");

  constructor() {
    super("read committed");
    this.position.write(this, "1", 0);
    this.position.commit(this, 0);
  }
}

/** Reads what was published from where it stands, now and then from further back, and has each event its effect once. */
export function createConsumer(
  own: { readonly session: Session; readonly database: ConsumerDatabase },
  source: { readonly session: Session; readonly outbox: MemoryOutbox },
  draw: Draw,
  { freshEvents }: Plants,
): { run(): Promise<void> } {
  const { session, database } = own;
  const { inbox, effects, position } = database;
  const accept = (events: readonly OutboxRow[]) =>
    session.transaction(async (tx) => {
      const ids = events.map(eventIdOf);
      const seen = await tx.statement("find seen events", (rows) => new Set(rows.find(inbox, ids)));
      const fresh = freshEvents?.(ids) ?? ids.filter((id) => !seen.has(id));
      await tx.statement("note events as seen", async (rows) => {
        for (const id of fresh) if (!seen.has(id)) await rows.insert(inbox, id, id);
      });
      await tx.statement("apply events", async (rows) => {
        for (const event of events.filter((one) => fresh.includes(eventIdOf(one)))) {
          const { key, version, payload } = event;
          const [before = []] = await rows.lock(effects, [key]);
          if (before.length === 0) await rows.insert(effects, key, [{ version, payload }]);
          else await rows.update(effects, key, () => [...before, { version, payload }]);
        }
      });
    });
  return {
    run: async () => {
      const [stored = 0] = await session.statement("read the position", (tx) => tx.find(position, ["1"]));
      const from = draw.chance(0.1) ? Math.max(0, stored - draw.whole(1, 10)) : stored;
      const events = await source.outbox.read(source.session, from, readLimit);
      const last = events.at(-1)?.place;
      if (last === undefined) return;
      await accept(events);
      await session.statement("write the position", (tx) =>
        tx.update(position, "1", (before) => Math.max(before, last)),
      );
    },
  };
}
